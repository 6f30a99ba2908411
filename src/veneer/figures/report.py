"""The report of a run: one HTML page that needs nothing beside it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from PIL import Image

from veneer.figures.page import data_uri, environment
from veneer.refusals import REASONS

_PAGE = environment.from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ card.collection }} · {{ encoder_name }}</title>
<style>
{{ style | safe }}</style>
</head>
<body>
<h1>{{ card.collection }} <span style="color:#68737a">under</span> {{ encoder_name }}</h1>
<p class="quiet">{{ card.images }} images ({{ card.distinct_images }} distinct),
{{ card.labels | length }} labels, {{ card.quarantined }} files in quarantine.
Collection <code>{{ card.fingerprint[:12] }}</code>, encoder <code>{{ encoder }}</code>.</p>

<h2>Heads</h2>
{% if metrics %}
{% for side, reports in sides %}
<table>
<caption>{{ side }} images</caption>
<tr><th>head</th><th class="number">accuracy</th><th class="number">95 % interval</th>
<th class="number">balanced</th><th class="number">weighted F1</th><th class="number">macro F1</th>
<th class="number">calibration error</th><th class="number">answered</th>
<th class="number">right of these</th><th class="number">images</th></tr>
{% for name, m in reports.items() %}
<tr><td>{{ name }}</td><td class="number">{{ "%.4f" | format(m.accuracy) }}</td>
<td class="number">{{ "%.3f – %.3f" | format(*m.accuracy_interval_95) }}</td>
<td class="number">{{ "%.4f" | format(m.balanced_accuracy) }}</td>
<td class="number">{{ "%.4f" | format(m.weighted_f1) }}</td>
<td class="number">{{ "%.4f" | format(m.macro_f1) }}</td>
<td class="number">{{ "%.3f" | format(m.expected_calibration_error) }}</td>
<td class="number">{{ "%.0f %%" | format(100 * m.coverage) }}</td>
<td class="number">{{ "–" if m.covered_accuracy is none else "%.3f" | format(m.covered_accuracy)
}}</td>
<td class="number">{{ m.n_validation }}</td></tr>
{% endfor %}
</table>
{% endfor %}
<p class="quiet">A head answers where it is surer than its threshold, and says “unsure” elsewhere.
Temperature and threshold were learnt from training images it had not seen.</p>
{% if comparisons %}
<details><summary>head against head</summary>
<table>
<tr><th>heads</th><th class="number">difference in accuracy</th>
<th class="number">95 % interval</th><th class="number">p (McNemar)</th></tr>
{% for pair, test in comparisons %}
<tr><td>{{ pair }}</td><td class="number">{{ "%+.4f" | format(test.difference) }}</td>
<td class="number">{{ "%+.3f – %+.3f" | format(*test.difference_interval_95) }}</td>
<td class="number">{{ "%.3f" | format(test.p_value) }}</td></tr>
{% endfor %}
</table></details>
{% endif %}
{% if left_out %}
<p class="notice">Left out of training and evaluation, having too few images (they are still
found by search): {% for name, n in left_out.items() %}{{ name }} ({{ n }}){{ ", " if not loop.last
}}{% endfor %}.</p>
{% endif %}
{% for name, picture in matrices %}
<figure><img src="{{ picture }}" alt="Confusion matrix of {{ name }}" loading="lazy"></figure>
{% endfor %}
{% for name, picture in label_sheets %}
<figure><img src="{{ picture }}" alt="{{ name }}" loading="lazy"></figure>
{% endfor %}
<details><summary>how sure the heads are</summary>
{% for name, picture in evaluation %}
<figure><img src="{{ picture }}" alt="{{ name }}" loading="lazy"></figure>
{% endfor %}
</details>
{% else %}
<p class="notice">{{ "No head was fitted." if card.labels else "The collection has no labels, so
nothing could be evaluated." }}</p>
{% endif %}

<h2>Search by words</h2>
{% if prompts %}
{% for prompt, sheet, histogram in prompts %}
<figure><img src="{{ sheet }}" alt="Images found for: {{ prompt }}" loading="lazy">
<details><summary>labels of what was found for “{{ prompt }}”</summary>
<img src="{{ histogram }}" alt="Labels of the images found for: {{ prompt }}" loading="lazy">
</details></figure>
{% endfor %}
{% elif not has_text %}
<p class="notice">{{ encoder_name }} has no text tower, so nothing can be searched by words.</p>
{% else %}
<p class="notice">There were no prompts: name some under <code>reporting.prompts</code>.</p>
{% endif %}

{% if searches %}
<h3>How good a search is</h3>
<table>
<caption>of {{ retrieval.n_images }} images, {{ retrieval.n_classes }} classes
({{ retrieval.relevance }})</caption>
<tr><th>search</th><th class="number">queries</th><th class="number">precision@1</th>
<th class="number">precision@5</th><th class="number">95 % interval</th>
<th class="number">precision@10</th><th class="number">recall@10</th>
<th class="number">accuracy@5</th><th class="number">mAP</th></tr>
{% for name, m in searches.items() %}
<tr><td>{{ name }}</td><td class="number">{{ m.n_queries - m.n_without_relevant }}</td>
<td class="number">{{ "%.4f" | format(m["precision@1"]) }}</td>
<td class="number">{{ "%.4f" | format(m["precision@5"]) }}</td>
<td class="number">{{ "%.3f – %.3f" | format(*m["precision@5_interval_95"]) }}</td>
<td class="number">{{ "%.4f" | format(m["precision@10"]) }}</td>
<td class="number">{{ "%.4f" | format(m["recall@10"]) }}</td>
<td class="number">{{ "%.4f" | format(m["accuracy@5"]) }}</td>
<td class="number">{{ "%.4f" | format(m.mean_average_precision) }}</td></tr>
{% endfor %}
</table>
<p class="quiet">Every image searches for its like, itself left out; every class by its name.
Precision: share of the first results that are of the query's class; accuracy: share of queries with
any such result; mAP: mean average precision over the whole ranking.</p>
{% for name, picture in retrieval_figures %}
<figure><img src="{{ picture }}" alt="{{ name }}" loading="lazy"></figure>
{% endfor %}
{% endif %}

<h2>Map</h2>
{% for name, picture in map_figures %}
<figure><img src="{{ picture }}" alt="The collection {{ name }}" loading="lazy"></figure>
{% endfor %}
<p><code>map.html</code> beside this page is the map with the pictures. The
{{ map_card.clusters.count }} clusters were made without the labels{% if map_card.clusters.nmi is
not none %}; the normalised mutual information of the two is
{{ "%.3f" | format(map_card.clusters.nmi) }} (0: they tell nothing of each other, 1: they are the
same){% endif %}. <code>clusters.parquet</code> has them.</p>
{% if cluster_sheets %}
<details><summary>what is in the clusters</summary>
{% for name, picture in cluster_sheets %}
<figure><img src="{{ picture }}" alt="{{ name }}" loading="lazy"></figure>
{% endfor %}
</details>
{% endif %}

<h2>Copies</h2>
{% if card.audits.duplicates %}
<p>{{ card.audits.duplicates }} images are there more than once, byte for byte;
{{ card.audits.label_conflicts }} of them under different labels,
{{ card.audits.split_leaks }} on two sides of an official split.</p>
{% for title, picture in audits %}
<figure><img src="{{ picture }}" alt="{{ title }}" loading="lazy"></figure>
{% endfor %}
{% else %}
<p>No image is there more than once, byte for byte.</p>
{% endif %}
{% if twins %}
<p>{% if twins.groups %}With near-duplicates (cosine from {{ "%.3f" | format(twins.threshold) }}),
{{ twins.in_groups }} images are in {{ twins.groups }} groups, and {{ twins.to_drop }} could go{% if
twins.split_leaks %}; {{ twins.split_leaks }} groups are on more than one side of the split{% endif
%}{% if twins.label_conflicts %}; {{ twins.label_conflicts }} are under more than one label{% endif
%}. <code>twins.parquet</code> beside this page has all of them.{% else %}Nor is there a
near-duplicate (cosine from {{ "%.3f" | format(twins.threshold) }}).{% endif %}</p>
{% for name, picture in twin_sheets %}
<figure><img src="{{ picture }}" alt="{{ name }}" loading="lazy"></figure>
{% endfor %}
{% endif %}

<h2>Quarantine</h2>
{% if card.quarantined %}
<table>
<tr><th class="number">files</th><th>reason</th><th></th></tr>
{% for reason, n in card.quarantine_reasons.items() %}
<tr><td class="number">{{ n }}</td><td>{{ reason }}</td>
<td class="quiet">{{ reasons[reason] }}</td></tr>
{% endfor %}
</table>
{% else %}
<p>No file was refused.</p>
{% endif %}
{% if not_embedded %}
<p>{{ not_embedded }} images have no vector: they could not be decoded when they were to be
embedded, and play no part in what is above. <code>not_embedded.parquet</code> beside this page
names them.</p>
{% endif %}
</body>
</html>
""")


def report_page(
    *,
    card: dict,
    encoder_name: str,
    encoder_fingerprint: str,
    has_text: bool,
    not_embedded: int,
    metrics: dict[str, dict],
    retrieval: dict,
    searches: Mapping[str, Mapping],
    retrieval_figures: Mapping[str, Image.Image],
    twins: dict,
    twin_sheets: Mapping[str, Image.Image],
    confusion_matrices: Mapping[str, Image.Image],
    evaluation: Mapping[str, Image.Image],
    label_sheets: Mapping[str, Image.Image],
    audit_sheets: Mapping[str, Image.Image],
    map_card: dict,
    map_figures: Mapping[str, Image.Image],
    cluster_sheets: Mapping[str, Image.Image],
    prompts: Sequence[tuple[str, Image.Image, Image.Image]],
) -> str:
    """Write the page.

    Parameters
    ----------
    card : dict
        What `data_processing` counted in the collection.
    not_embedded : int
        Images without a vector.
    metrics : dict
        One :func:`veneer.metrics.classification_report` a head; none without labels.
    retrieval : dict
        Of :func:`veneer.pipelines.retrieval.nodes.evaluate`; empty without labels.
    searches : mapping of name to dict
        Of :func:`veneer.retrieval.evaluation.searches`.
    twins : dict
        The card of :class:`veneer.retrieval.duplicates.Duplicates`.
    retrieval_figures, twin_sheets : mappings of name to picture
    confusion_matrices : mapping of head to picture
    evaluation, label_sheets : mappings of name to picture
    audit_sheets : mapping of audit to picture
    map_card : dict
        Of :func:`veneer.pipelines.reporting.maps.map_collection`.
    map_figures, cluster_sheets : mappings of name to picture
    prompts : sequence of (prompt, contact sheet, label histogram)
    """
    first = next(iter(metrics.values()), {})
    tested = {name: report["test"] for name, report in metrics.items() if "test" in report}
    pairs = itertools.combinations(metrics, 2)
    return _PAGE.render(
        card=card,
        encoder_name=encoder_name,
        encoder=encoder_fingerprint,
        has_text=has_text,
        not_embedded=not_embedded,
        metrics=metrics,
        retrieval=retrieval,
        searches=searches,
        retrieval_figures=_shown(retrieval_figures, "PNG"),
        twins=twins,
        twin_sheets=_shown(twin_sheets, "JPEG"),
        sides=[("validation", metrics)] + [("test", tested)] * bool(tested),
        comparisons=[(f"{a} less {b}", metrics[a]["against"][b]) for a, b in pairs],
        left_out=first.get("left_out_classes", {}),
        reasons=REASONS,
        audits=_shown(audit_sheets, "JPEG"),
        map_card=map_card,
        map_figures=_shown(dict(sorted(map_figures.items(), reverse=True)), "PNG"),
        cluster_sheets=_shown(cluster_sheets, "JPEG"),
        label_sheets=_shown(label_sheets, "JPEG"),
        evaluation=_shown(evaluation, "PNG"),
        matrices=[(name, data_uri(confusion_matrices[name], "PNG")) for name in metrics],
        prompts=[
            (prompt, data_uri(sheet, "JPEG"), data_uri(histogram, "PNG"))
            for prompt, sheet, histogram in prompts
        ],
    )


def _shown(pictures: Mapping[str, Image.Image], format_: str) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), data_uri(each, format_)) for name, each in pictures.items()]
