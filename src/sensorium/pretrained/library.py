"""The library transformers, kept quiet and on a short lead: nothing is fetched, no code of a model's files is run."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sensorium.errors import ConfigError

__all__ = ["first_line", "plain_config", "quiet", "read_tokenizer", "transformers_for"]

TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "spm.model")


def transformers_for(purpose: str, extra: str = "pretrained") -> Any:
    """The library.

    Raises:
        ConfigError: it is not installed; the message begins with `purpose`.
    """
    try:
        import transformers
    except ImportError as error:
        raise ConfigError(f"{purpose} needs transformers. Install it with: pip install 'sensorium[{extra}]'") from error
    return transformers


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice of the library's; its errors come as ours."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()


def plain_config(config: Any) -> Any:
    """A configuration without what names code to be fetched: classes, kernels."""
    if not isinstance(config, dict):
        return config
    return {
        key: plain_config(value) for key, value in config.items() if key != "auto_map" and "implementation" not in key
    }


def read_tokenizer(folder: Path, name: str) -> Any:
    """A model's fast tokenizer, which neither pads nor cuts.

    Raises:
        ConfigError: there is none, or it can't be read.
    """
    transformers = transformers_for(f"model '{name}'")
    if not any((folder / file).exists() for file in TOKENIZERS):  # the library would make an empty one
        raise ConfigError(f"model '{name}' has no tokenizer: {folder} holds none of {', '.join(TOKENIZERS)}.")
    with quiet():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, use_fast=True
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ConfigError(f"model '{name}' has no tokenizer that can be read ({first_line(error)}).") from error
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(f"model '{name}' has no tokenizer.json. Save a fast tokenizer beside its weights.")
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    return tokenizer


def first_line(error: BaseException) -> str:
    """What an error says, short."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
