"""Names of people, by the language models of presidio: the extra `names`.

Nothing here is imported, and no model looked for, before somebody asks for names.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tfdomain.errors import InputError

__all__ = ["MODELS", "NameFinder", "installed_models", "load_name_finder"]

NameFinder = Callable[[str], Iterable[tuple[int, int]]]
"""Gives the spans of the names in a text."""

MODELS = {"en": "en_core_web_sm", "zh": "zh_core_web_sm"}
"""The spaCy model of each language."""

_CHINESE = re.compile("[\u3400-\u9fff]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
# A Chinese character says about as much as four letters.
_LETTERS_A_CHARACTER = 4


def load_name_finder(languages: Sequence[str], *, models: dict[str, str] | None = None) -> NameFinder:
    """A finder of names; a text is read by the model of the language that most of it is written in.

    Args:
        languages: ISO 639-1 codes, of `MODELS`.
        models: Other spaCy models by language: installed packages, or folders.

    Raises:
        InputError: As for `installed_models`.
    """
    analyzer = _load_analyzer(installed_models(languages, models))

    def find_names(text: str) -> list[tuple[int, int]]:
        language = _language_of(text, languages)
        results = analyzer.analyze(text, language=language, entities=["PERSON"])
        return [(result.start, result.end) for result in results]

    return find_names


def installed_models(languages: Sequence[str], models: dict[str, str] | None = None) -> dict[str, str]:
    """The model of each language, none of which is loaded yet.

    Args:
        languages: As for `load_name_finder`.
        models: As for `load_name_finder`.

    Raises:
        InputError: presidio or a model is missing, or a language has none; nothing is downloaded.
    """
    models = {**MODELS, **(models or {})}
    unknown = [language for language in languages if language not in models]
    if unknown or not languages:
        problem = f"no model of names for {', '.join(map(repr, unknown))}" if unknown else "no language is given"
        raise InputError(
            problem, where="languages", mend=f"choose from {', '.join(models)}, or name one in name_models"
        )
    try:
        import presidio_analyzer  # noqa: F401
        import spacy
    except ImportError:
        raise InputError(
            "masking names needs presidio-analyzer", where="names", mend="pip install 'tfdomain[names]'"
        ) from None
    for language in languages:
        model = models[language]
        # Asked here, since presidio would download what is missing.
        if not (spacy.util.is_package(model) or spacy.util.ensure_path(model).is_dir()):
            raise InputError(
                f"the spaCy model {model} of language {language} is not installed",
                where="names",
                mend=f"python -m spacy download {model}",
            )
    return {language: models[language] for language in languages}


def _load_analyzer(models: dict[str, str]) -> Any:
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    configured = [{"lang_code": language, "model_name": model} for language, model in models.items()]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": configured})
    return AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=list(models))


def _language_of(text: str, languages: Sequence[str]) -> str:
    if len(languages) > 1 and "zh" in languages:
        if _LETTERS_A_CHARACTER * len(_CHINESE.findall(text)) > len(_LATIN.findall(text)):
            return "zh"
        return next(language for language in languages if language != "zh")
    return languages[0]
