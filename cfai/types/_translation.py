"""Translation: what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Required, TypedDict

from cfai.types._output import Output, to_text


class TranslationInputs(TypedDict, total=False):
    """A text for M2M100."""

    text: Required[str]
    """At least one character."""
    target_lang: Required[str]
    """A code such as `fr`; names such as `french` are seen in Cloudflare's own examples."""
    source_lang: str
    """The language of the text, in the same way. Default `en`."""


IndicLanguage = Literal[
    "asm_Beng",
    "awa_Deva",
    "ben_Beng",
    "bho_Deva",
    "brx_Deva",
    "doi_Deva",
    "eng_Latn",
    "gom_Deva",
    "gon_Deva",
    "guj_Gujr",
    "hin_Deva",
    "hne_Deva",
    "kan_Knda",
    "kas_Arab",
    "kas_Deva",
    "kha_Latn",
    "lus_Latn",
    "mag_Deva",
    "mai_Deva",
    "mal_Mlym",
    "mar_Deva",
    "mni_Beng",
    "mni_Mtei",
    "npi_Deva",
    "ory_Orya",
    "pan_Guru",
    "san_Deva",
    "sat_Olck",
    "snd_Arab",
    "snd_Deva",
    "tam_Taml",
    "tel_Telu",
    "urd_Arab",
    "unr_Deva",
]
"""Languages with their scripts, as the data set FLORES names them."""


class IndicTranslationInputs(TypedDict, total=False):
    """English texts for IndicTrans2."""

    text: Required[str | Sequence[str]]
    """One text or several."""
    target_language: Required[IndicLanguage]
    """The language to translate into: Hindi is `hin_Deva`."""


class Translation(Output):
    """Translated text; `str(answer)` is it."""

    @property
    def text(self) -> str:
        """The translation; the first, if several texts were sent."""
        return next(iter(self.texts), "")

    @property
    def texts(self) -> list[str]:
        """The translations, in the order of the texts."""
        fields = self.model_extra or {}
        found = fields["translations"] if "translations" in fields else [fields.get("translated_text")]
        return [to_text(text) for text in found]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show it in a notebook, with what the call took."""
        return self._render_text("\n\n".join(self.texts))

    def __str__(self) -> str:
        return self.text
