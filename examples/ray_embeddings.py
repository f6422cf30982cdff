"""Vectors for a column of Parquet files, by a cluster: `python examples/ray_embeddings.py texts text vectors`.

Needs `pip install "cfai-sdk[ray]"`.
"""
# pyright: basic, reportMissingImports=false

import sys

import ray

from cfai.integrations import ray as cfai_ray

MODEL = "@cf/baai/bge-m3"


def main() -> None:
    source, column, target = sys.argv[1:]
    texts = ray.data.read_parquet(source)
    cfai_ray.embed(texts, MODEL, column, workers=2).write_parquet(target)
    written = ray.data.read_parquet(target, columns=["cost", "error"])
    failed = written.filter(lambda row: row["error"] is not None).count()
    print(f"{written.count()} rows, {failed} failed, ${written.sum('cost'):.6f}")


if __name__ == "__main__":
    main()
