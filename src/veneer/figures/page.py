"""What the HTML pages share: one style, and pictures inside the page."""

from __future__ import annotations

import base64
import io

from jinja2 import Environment
from PIL import Image

STYLE = """\
  body { font: 16px/1.5 system-ui, sans-serif; color: #22282c; background: #fbfbfa;
         max-width: 1120px; margin: 2.5rem auto; padding: 0 1.25rem; }
  h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; }
  p.quiet, td.quiet, figcaption { color: #68737a; } code { font-size: .85em; }
  table { border-collapse: collapse; margin: .5rem 0; }
  th, td { text-align: left; padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid #e3e6e7; }
  td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
  td.number { white-space: nowrap; } th { vertical-align: bottom; }
  figure { margin: 1rem 0 2rem; } img { max-width: 100%; height: auto; display: block; }
  .notice { border-left: 4px solid #c98a1b; background: #fdf6e7; padding: .6rem 1rem; }
  caption { text-align: left; color: #68737a; padding: .6rem 0 .2rem; }
  details { margin: .5rem 0 1.5rem; } summary { cursor: pointer; color: #2a5d84; }
"""

environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
environment.globals["style"] = STYLE  # is written with the filter `safe`


def data_uri(picture: Image.Image, format_: str) -> str:
    """A picture as an address that holds it: ``format_`` is PNG or JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, format_, quality=85)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{format_.lower()};base64,{data}"
