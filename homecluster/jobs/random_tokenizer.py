"""A small byte-level BPE tokenizer for models whose own cannot be had.

Runs inside the engine environment. Every id of the model's vocabulary decodes to readable text, so that
a random model's output can be streamed, measured and read like a real one's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from homecluster.errors import InputError

END: Final = "<|endoftext|>"
PAD: Final = "<|pad|>"
TURN: Final = "<|turn|>"
SPECIAL: Final = (END, PAD, TURN)
END_ID: Final = 0
PAD_ID: Final = 1

SMALLEST_VOCABULARY: Final = 256 + len(SPECIAL)
"""Every byte must have an id."""

_LEARNED: Final = 1024
_TEXT: Final = (
    "The planner knows every machine and every link between them, and says what each layout costs. "
    "A token crosses the network many times when the layers are split across two computers. "
    "What is the capital of France? Paris is the capital of France. Hello, how are you today? "
    "Once upon a time there was a small cluster that wanted to answer questions quickly. "
    "def add(a, b):\n    return a + b\n\nfor number in range(10):\n    print(number, add(number, 1))\n"
)

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|turn|>{{ message['role'] }}\n{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)


def write_tokenizer(folder: Path, *, vocabulary: int, max_positions: int) -> None:
    """tokenizer.json and tokenizer_config.json with exactly `vocabulary` ids; 0 ends a text.

    Raises:
        InputError: the vocabulary has no room for every byte.
    """
    if vocabulary < SMALLEST_VOCABULARY:
        raise InputError(
            f"a vocabulary of {vocabulary} is too small for a tokenizer: {SMALLEST_VOCABULARY} at least"
        )
    document = _trained(min(vocabulary, _LEARNED))
    words = document["model"]["vocab"]
    for word in _fillers():
        if len(words) >= vocabulary:
            break
        words.setdefault(word, len(words))
    (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "pad_token": PAD,
        "model_max_length": max_positions,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def _trained(vocabulary: int) -> dict[str, Any]:
    """The tokenizer.json of a BPE learned from the text above."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_TEXT], trainer)
    document: dict[str, Any] = json.loads(tokenizer.to_str())
    return document


def _fillers() -> Iterator[str]:
    """Endless distinct words of growing length, each after a space (which byte-level BPE writes as Ġ)."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    words = [""]
    while True:
        words = [word + syllable for word in words for syllable in syllables]
        yield from (f"Ġ{word}" for word in words)
