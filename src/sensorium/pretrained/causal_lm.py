"""Causal language models: what answers are written with. Their tokenizer and configuration first, then their weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sensorium.errors import ConfigError
from sensorium.pretrained.folder import check_weights, model_folder
from sensorium.pretrained.library import (
    UNREADABLE,
    first_line,
    open_weights,
    plain_config,
    quiet,
    read_tokenizer,
    transformers_for,
)

__all__ = ["Language", "find_language", "load_language_model"]


@dataclass(frozen=True)
class Language:
    """A language model but for its weights: plain data that a run folder keeps.

    Args:
        config: the model's own config.json.
        tokenizer: of the library tokenizers, as JSON.
        end: the token that ends a text.
        folder: of its weights; None where they come from a run.
    """

    config: dict[str, Any]
    tokenizer: str
    end: int
    folder: Path | None = None

    @property
    def positions(self) -> int | None:
        """Tokens that it can read at once; None: any number."""
        for key in ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length"):
            if isinstance(self.config.get(key), int):
                return self.config[key]
        return None


def find_language(name: str) -> Language:
    """A language model by its folder or its name on the Hugging Face hub.

    Only a name that is no folder is looked for on the hub: in its local cache, then by network.

    Raises:
        ConfigError: there is no such model, it has no weights that are safe to open, its tokenizer can't be read or names
            no token that ends a text.
    """
    transformers_for("writing texts", "generation")
    folder, config = model_folder(name)
    if "quantization_config" in config:
        raise ConfigError(f"model '{name}' is quantised, and can't be trained. Take the model that it was made from.")
    check_weights(folder, name)
    tokenizer = read_tokenizer(folder, name)
    if tokenizer.eos_token_id is None:
        raise ConfigError(
            f"model '{name}': its tokenizer names no token that ends a text, so no answer would ever end. "
            'Set "eos_token" in its tokenizer_config.json.'
        )
    return Language(config, tokenizer.backend_tokenizer.to_str(), int(tokenizer.eos_token_id), folder)


def load_language_model(language: Language, name: str) -> nn.Module:
    """The network; with its weights where `language` has a folder, else as the configuration makes it.

    Raises:
        ConfigError: transformers is not installed; the model is no causal language model, or its weights, its tokenizer and
            its configuration don't go together.
    """
    transformers = transformers_for("writing texts", "generation")
    given = plain_config(language.config)
    with quiet():
        try:
            config = transformers.AutoConfig.for_model(**given)
            if language.folder is None:
                return transformers.AutoModelForCausalLM.from_config(config, trust_remote_code=False).float()
            model, missing = open_weights(transformers.AutoModelForCausalLM, language.folder, config)
        except UNREADABLE as error:
            raise ConfigError(
                f"model '{name}' can't be read as a causal language model, such as gpt2 ({first_line(error)})."
            ) from error
    if missing:
        raise ConfigError(
            f"model '{name}' is no causal language model: its files lack {len(missing)} of the weights of one, such as "
            f"{missing[0]}."
        )
    if not _causal(model):
        raise ConfigError(
            f"model '{name}' is no causal language model: what it says of a token changes with those after it."
        )
    entries, known = model.get_input_embeddings().num_embeddings, _entries(language.tokenizer)
    if known > entries:
        raise ConfigError(
            f"model '{name}': its tokenizer has {known} entries, more than the {entries} of the model; they are of two models."
        )
    return model


@torch.no_grad()
def _causal(model: nn.Module) -> bool:
    """Whether what is said of the first token stays as it is when the second changes. BERT's head, too, is loaded as one."""
    model.eval()
    both = model(input_ids=torch.tensor([[0, 1], [0, 2]])).logits[:, 0]
    return torch.allclose(both[0], both[1], atol=1e-4)


def _entries(tokenizer: str) -> int:
    from tokenizers import Tokenizer

    return Tokenizer.from_str(tokenizer).get_vocab_size()
