"""The chart and the pages of a comparison show what there is, and say what there is not."""

import copy

import pytest
from PIL import Image

from veneer.figures.comparison import comparison_chart, comparison_figure
from veneer.figures.comparison_page import comparison_markdown, comparison_page


def told(value, low, high):
    return {"value": value, "interval_95": [low, high], "n": 9}


def entry(rate, **figures):
    return {
        "vector_bytes": 2560,
        "images_per_second": rate,
        "rate_ratio": rate / 40,
        "figures": {name.replace("_at_", "@"): each for name, each in figures.items()},
    }


WHY = "Opening the encoder gone: no file a|b*.safetensors"
SHELLS = {
    "images": 1200,
    "relevance": "label",
    "queries": "all images",
    "rated_images": 128,
    "machine": "a processor, 2 cores",
    "verdict": "mini wins on shells.",
    "winner": {"encoder": "mini", "against": {"tiny": {}}},
    "encoders": {
        "gone": {"missing": WHY},
        "mini": entry(
            40.0,
            precision_at_5=told(0.8, 0.7, 0.9),
            recall_at_5=told(0.1, 0.05, 0.2),
            svc=told(0.95, 0.9, 1.0),
            zero_shot=told(0.5, 0.4, 0.6),
        ),
        "tiny": entry(1234.5, precision_at_5=told(0.6, 0.5, 0.7), svc=told(0.9, 0.8, 0.95)),
    },
}
COMPARISON = {
    "name": "mine",
    "decide_by": "precision@5",
    "heads": ["svc", "zero_shot"],
    "verdict": None,
    "collections": {"shells": SHELLS},
}
UNLABELLED = {"verdict": "No winner on plain.", "winner": None, "encoders": {"mini": entry(40.0)}}


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_a_row_a_figure_and_a_dot_an_encoder():
    figure = comparison_figure(COMPARISON)
    key, panel = figure.axes
    rows = [tick.get_text() for tick in panel.get_yticklabels()]
    assert rows == ["P@5", "linear probe", "zero-shot"]  # recall would lie at the very left
    dots = [line for line in panel.lines if line.get_marker() not in ("", "None")]
    assert [line.get_xdata()[0] for line in dots] == [0.8, 0.6, 0.95, 0.9, 0.5]
    bars = [line for line in panel.lines if len(set(line.get_xdata())) == 2 and line.zorder == 3]
    assert [tuple(line.get_xdata()) for line in bars][:2] == [(0.7, 0.9), (0.5, 0.7)]
    assert panel.get_xlim() == (0.4, 1)
    # Who could not be compared has no place in the key.
    assert {"shells", "mini", "tiny"} < set(texts(figure)) and "gone" not in texts(figure)
    assert len(key.lines) == 2


def test_many_encoders_many_collections_and_odd_names_can_be_drawn():
    many = copy.deepcopy(COMPARISON)
    encoders = {f"an encoder of a long name, number {n} $x_$": entry(1.0) for n in range(12)}
    for each in encoders.values():
        each["figures"] = SHELLS["encoders"]["mini"]["figures"]
    many["collections"] = {f"c{n}\n": SHELLS | {"encoders": encoders} for n in range(3)}
    assert comparison_chart(many).mode == "RGB"


@pytest.mark.parametrize(
    "collections", [{"plain": UNLABELLED}, {"shells": SHELLS | {"encoders": {}}}]
)
def test_nothing_to_draw_is_said(collections):
    figure = comparison_figure(COMPARISON | {"collections": collections})
    assert "nothing could be compared" in texts(figure)


def test_the_markdown_is_a_table_with_intervals():
    lines = comparison_markdown(COMPARISON).splitlines()
    assert "mine, decided by P@5." in lines and "mini wins on shells." in lines
    header = (
        "| encoder | P@5 | R@5 | accuracy@5 | mAP | linear probe | zero-shot | images/s | × mini |"
    )
    assert f"{header} bytes a vector |" in lines
    assert (
        "| **mini** | .800 [.700, .900] | .100 [.050, .200] | – | – | .950 [.900, 1.000] | "
        ".500 [.400, .600] | 40.0 | 1.00 | 2,560 |"
    ) in lines
    assert any(line.startswith("| tiny | .600") and "| – | 1,234 |" in line for line in lines)
    assert "| gone | – | – | – | – | – | – | – | – | – |" in lines
    assert "gone: Opening the encoder gone: no file a\\|b\\*.safetensors" in lines


def test_the_page_needs_nothing_beside_it_and_escapes():
    odd = copy.deepcopy(COMPARISON)
    odd["collections"]["shells"]["encoders"]["gone"]["missing"] = "<script>alert(1)</script>"
    page = comparison_page(odd, Image.new("RGB", (4, 4)))
    assert "&lt;script&gt;" in page and "<script" not in page
    assert 'src="data:image/png;base64,' in page and "http" not in page
    assert page.count('class="best"') == 1 and "font: 16px" in page
    assert "1,200 images, relevant by label, searched for all images; rates on 128 of them" in page


def test_over_all_collections_is_said_first():
    several = COMPARISON | {"verdict": "mini wins over the 2 collections."}
    several["collections"] = {"shells": SHELLS, "plain": UNLABELLED}
    page = comparison_page(several, Image.new("RGB", (4, 4)))
    assert page.index("wins over the 2") < page.index("wins on shells") < page.index("No winner on")
    assert page.index("wins over the 2") < page.index("<img")
    assert "**mini wins over the 2 collections.**" in comparison_markdown(several).splitlines()
