"""Our tokens are those of open_clip."""

import random
import subprocess
import sys

import numpy as np
import open_clip

from veneer.encoders.clip_tokens import clip_tokenizer

TEXTS = [
    "",
    " ",
    "striped, high-contrast fabric",
    "It's 100 % WOOL; they've re-used   the\ttartan\n(1950s)",
    "caf&eacute; &amp;amp; cre&#768;me â€™ ﬁne",
    "<start_of_text> a <END_OF_TEXT> b",
    "木目 béton brut ~#& 🧶🧵 \u200b\u00ad ǅ İstanbul ß ſ",
    "supercalifragilisticexpialidocious" * 20,
    "one word after another " * 40,
    "\x00\x7f\ud7ff\U0010ffff",
]


def random_texts(count):
    rng = random.Random(0)
    alphabet = "abcdefghijklmnopqrstuvwxyz  ABC,.'!?-_0123456789éüßñ漢字かな한🧶&<>;#%\n\t"
    return ["".join(rng.choices(alphabet, k=rng.randrange(120))) for _ in range(count)]


def test_tokens_are_those_of_open_clip():
    texts = TEXTS + random_texts(500)
    for context in (77, 32, 8):
        theirs = open_clip.SimpleTokenizer(context_length=context)(texts).numpy()
        ours = clip_tokenizer(context)(texts)
        assert ours.dtype == np.int64
        np.testing.assert_array_equal(ours, theirs)


def test_neither_torch_nor_open_clip_is_imported():
    code = (
        "import sys; from veneer.encoders.clip_tokens import clip_tokenizer; "
        "clip_tokenizer(77)(['moss']); "
        "assert not {'torch', 'open_clip'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
