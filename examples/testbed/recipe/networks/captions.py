"""Captions as token numbers: a word-level vocabulary of all words that captions are made of."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from recipe.world.palette import BACKGROUNDS, EXPRESSIONS, LIGHTS, SHIRTS

PAD, START, END = "<pad>", "<start>", "<end>"
CAPTION_LENGTH = 24

# Word numbers are positions in this text: see the note on order in `recipe.world.palette`.
_FRAME = "a portrait of person wearing shirt facing the camera left right on background in light"


def _number_words() -> dict[str, int]:
    words = [PAD, START, END, *_FRAME.split(), *BACKGROUNDS, *SHIRTS, *EXPRESSIONS, *LIGHTS]
    return {word: number for number, word in enumerate(dict.fromkeys(words))}


VOCABULARY = _number_words()
PERSON_POSITION = 5
"""Where "person" stands in every caption: ``<start> a portrait of a person …``."""


def tokenise(captions: list[str]) -> Tensor:
    """Number the words of captions (B, CAPTION_LENGTH), padded at the end."""
    tokens = torch.full((len(captions), CAPTION_LENGTH), VOCABULARY[PAD], dtype=torch.long)
    for row, caption in zip(tokens, captions, strict=True):
        words = [START, *caption.split()[: CAPTION_LENGTH - 2], END]
        row[: len(words)] = torch.tensor([VOCABULARY[word] for word in words])
    return tokens


EMPTY_CAPTION = tokenise([""])
"""What stands for no caption at all (1, CAPTION_LENGTH)."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Make the same numbering a transformers tokenizer, for the exported weights."""
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token=PAD))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(word, VOCABULARY[word]) for word in (START, END)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        unk_token=PAD,
        model_max_length=CAPTION_LENGTH,
    )
