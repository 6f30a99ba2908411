"""Why a file was refused: the reason codes of the quarantine."""

from __future__ import annotations

REASONS = {
    "empty": "a file of no bytes",
    "not_an_image": "no format that is known",
    "unsupported_format": "an image, but of a format or pixel type that is not read",
    "truncated": "an image that ends too early",
    "damaged": "an image that cannot be decoded",
    "too_many_pixels": "more pixels than source.max_pixels; refused before it is unpacked",
    "too_many_bytes": "larger than source.max_bytes; refused unread",
    "unreadable": "no permission, a broken link, not a regular file, or gone while it was read",
    "symlink_loop": "a link that leads back to a folder it lies in",
    "unsafe_archive_member": "a member of an archive that would be unpacked outside its folder",
    "no_image": "a row of a table that has no image",
    "no_text": "an image without a text, for a head that sees texts alone",
    "download_failed": "no address of the row gave an image; the last error is the detail",
}
"""What each reason means. The codes are for counting; the detail of a refusal is for reading."""


class RefusedError(ValueError):
    """A file cannot be an image row.

    Parameters
    ----------
    reason : str
        A key of :data:`REASONS`.
    detail : str
        What was found, in words.
    """

    def __init__(self, reason: str, detail: str):
        if reason not in REASONS:
            raise ValueError(f"there is no reason {reason!r}; reasons are {', '.join(REASONS)}")
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
