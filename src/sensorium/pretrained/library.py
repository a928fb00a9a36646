"""The library transformers, kept quiet and on a short lead: nothing is fetched, no code of a model's files is run."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from sensorium.errors import ConfigError, imported_for

__all__ = ["UNREADABLE", "first_line", "open_weights", "plain_config", "quiet", "read_tokenizer", "transformers_for"]

UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError)  # of files that don't go together
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "spm.model")


def transformers_for(purpose: str, extra: str = "pretrained") -> Any:
    """The library.

    Raises:
        ConfigError: it is not installed; the message begins with `purpose`.
    """
    with imported_for(purpose, "transformers", extra):
        import transformers
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


def open_weights(cls: Any, folder: Path, config: Any, **options: Any) -> tuple[Any, list[str]]:
    """A network of the library with the weights of a folder, and the names of those that its files lack.

    Raises:
        one of UNREADABLE: the files are damaged, or of another network.
    """
    network, found = cls.from_pretrained(
        folder,
        config=config,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
        dtype="float32",
        **options,
    )
    return network, sorted(found["missing_keys"])


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
