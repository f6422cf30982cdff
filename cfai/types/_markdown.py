"""Documents as Markdown: what is converted, how, and what comes out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, Any, Literal, Required, TypeAlias, TypedDict

from cfai.types._media import Binary
from cfai.types._output import Fields, Output, TextField

DescriptionLanguage: TypeAlias = Literal["en", "es", "fr", "it", "pt", "de"]
"""The language in which a model describes a picture."""


class MarkdownDocument(TypedDict, total=False):
    """A document with its name, as the binding takes it."""

    name: Required[str]
    """With the suffix by which its format is told, such as `report.docx`."""
    blob: Required[Any]
    """Bytes, a `Path` or an open binary file."""
    mime_type: str
    """Its media type, which else is told by the name, or by the first bytes. `mimeType` is taken as well."""


DocumentSource: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes] | tuple[str, Any] | MarkdownDocument | Binary
"""A document: the path of a file, bytes, an open binary file, `(name, bytes)`, the binding's form, or an `Image`."""


class OutputConversion(TypedDict, total=False):
    """The form that all documents are converted to."""

    format: Literal["markdown", "text"]
    """`text` leaves the marks of Markdown out."""


class ImageConversion(TypedDict, total=False):
    """How a picture is described."""

    description_language: DescriptionLanguage
    """The language, as well as the model can."""


class EmbeddedImages(TypedDict, total=False):
    """The conversion of the pictures in a document."""

    convert: bool
    """True to have them described, by a model that may be billed."""
    max_converted_images: int
    """How many of a file; the service describes ten at most."""
    description_language: DescriptionLanguage
    """The language, as well as the model can."""


class HtmlImages(EmbeddedImages, total=False):
    """The conversion of the pictures of a web page."""

    convert_og_image: bool
    """True to describe the picture too that the page names for previews."""


class HtmlConversion(TypedDict, total=False):
    """How web pages are converted."""

    images: HtmlImages
    """Those of the page."""
    hostname: str
    """The host that links without one are of."""
    css_selector: str
    """The part of the page that is converted."""


class DocxConversion(TypedDict, total=False):
    """How documents of Word are converted."""

    images: EmbeddedImages
    """Those in the document."""


class PdfConversion(TypedDict, total=False):
    """How PDF files are converted."""

    images: EmbeddedImages
    """Those in the document."""
    metadata: bool
    """False leaves out the block with author, title and the like."""


class ConversionOptions(TypedDict, total=False):
    """How documents are converted, by format. The binding's camel-case names are taken as well.

    Options: https://developers.cloudflare.com/workers-ai/features/markdown-conversion/conversion-options.
    """

    output: OutputConversion
    """The form that all are converted to."""
    image: ImageConversion
    """Pictures."""
    html: HtmlConversion
    """Web pages."""
    docx: DocxConversion
    """Documents of Word."""
    pdf: PdfConversion
    """PDF files."""


class MarkdownOptions(TypedDict, total=False):
    """The options of a conversion. The binding's `conversionOptions` and `extraHeaders` are taken as well."""

    conversion_options: ConversionOptions | None
    """How each format is converted."""
    extra_headers: Mapping[str, str] | None
    """Headers of the request."""
    gateway: str | Mapping[str, Any] | None
    """The AI Gateway to go through, as `run` has it: over the binding of a Worker alone."""


class ConversionResult(Output):
    """A document that was converted, or was not: `print(result)` gives its text, or says why there is none."""

    name: TextField = ""
    """The name that it was sent by."""
    mimeType: TextField = ""
    """The media type that the service found."""
    format: TextField = ""
    """`markdown` or `text`; `error` if it was not converted."""
    tokens: int | None = None
    """The tokens of the text, by the service's estimate."""
    data: TextField = ""
    """The text."""
    error: str | None = None
    """Why it was not converted, in the service's words; `None` if it was."""
    id: TextField = ""
    """The service's own id for it."""

    @property
    def ok(self) -> bool:
        """Return True if it was converted."""
        return not self.error and self.format != "error"

    def __str__(self) -> str:
        return self.data if self.ok else f"{self.name} was not converted: {self.error}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show the text in a notebook, with what the call took."""
        return self._render_text(str(self))


class MarkdownFormat(Fields):
    """A format that can be converted."""

    extension: TextField = ""
    """Such as `.pdf`."""
    mimeType: TextField = ""
    """Such as `application/pdf`."""
