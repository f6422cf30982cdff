# pyright: basic, reportMissingModuleSource=false, reportMissingImports=false
"""Put cfai's data files into a program frozen by PyInstaller."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("cfai")
