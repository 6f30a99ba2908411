"""The map of a collection as one HTML page that needs nothing beside it, nor a network."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from veneer.figures.map_value import map_value
from veneer.figures.page import environment

_PAGE = environment.from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
{{ style | safe }}
  .colours { margin: 1.25rem 0; } select { font: inherit; padding: .3rem .5rem; }
{{ map_style | safe }}</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="quiet">{{ subtitle }}</p>
<p class="colours"><label>Coloured by <select id="colour"></select></label></p>
<div id="map"><div class="veneer-map"></div></div>
<noscript><p class="notice">The map is drawn by a script, and scripts are switched off here.</p>
</noscript>
<script type="application/json" id="given">{{ given | safe }}</script>
<script>
{{ script | safe }}
</script>
<script>
(() => {
  "use strict";
  const { map, colours, pictures } = JSON.parse(document.getElementById("given").textContent);
  const choice = document.getElementById("colour");
  for (const { colour } of colours) choice.add(new Option(colour, colour));
  const props = {
    value: { ...map, ...colours[0] },
    picture: (id) => (pictures[id] ? `data:image/webp;base64,${pictures[id]}` : null),
  };
  window.veneer.map(document.getElementById("map"), props, null, (_, show) => {
    choice.addEventListener("change", () => {
      props.value = { ...map, ...colours[choice.selectedIndex] };
      show();
    });
  });
})();
</script>
</body>
</html>
""")


def map_page(
    points: np.ndarray,
    titles: Sequence[str],
    colours: Mapping[str, Sequence[str | None]],
    pictures: Mapping[int, bytes],
    *,
    title: str,
    subtitle: str,
    script: str,
    style: str,
) -> str:
    """Write the page.

    Parameters
    ----------
    points : float array [n, 2]
        See :func:`veneer.figures.map_value.map_value`.
    titles : sequence of str [n]
        What is told of a point beside its picture.
    colours : mapping of str to sequence of str or None [n]
        What the points can be coloured by; at first by the first one.
    pictures : mapping of int to WebP
        By position among the points; the others are shown without one.
    title, subtitle : str
    script, style : str
        The app's ``map.js`` and ``map.css``, which draw here too.
    """
    places = [str(place) for place in range(len(points))]
    values = [
        map_value(points, places, titles, names, colour, "") for colour, names in colours.items()
    ]
    own = ("codes", "names", "colour")
    given = {
        "map": {key: value for key, value in values[0].items() if key not in own},
        "colours": [{key: value[key] for key in own} for value in values],
        "pictures": {
            place: base64.b64encode(data).decode() for place, data in sorted(pictures.items())
        },
    }
    return _PAGE.render(
        title=title, subtitle=subtitle, given=_in_html(given), script=script, map_style=style
    )


def _in_html(value: Any) -> str:
    """JSON in which nothing can end the element that it stands in."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
