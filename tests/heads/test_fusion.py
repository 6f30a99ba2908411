"""What a head sees of an image and its text."""

import numpy as np

from veneer.heads.fusion import fuse


def unit(*rows):
    found = np.array(rows, np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_both_parts_weigh_the_same_and_cosines_are_their_mean():
    images, texts = unit([1, 2, 3], [0, 1, 0]), unit([3, 0, 1], [1, 1, 1])
    both = fuse(images, texts, "concat")
    assert both.dtype == np.float32 and both.shape == (2, 6)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        both[0] @ both[1], (images[0] @ images[1] + texts[0] @ texts[1]) / 2, rtol=1e-5
    )


def test_one_part_alone_is_left_as_it_is():
    images, texts = unit([1, 2, 3]), unit([3, 0, 1])
    assert fuse(images, None, "image") is images
    assert fuse(None, texts, "text") is texts


def test_an_image_without_a_text_keeps_its_length():
    both = fuse(unit([1, 2, 2]), np.zeros((1, 3), np.float32), "concat")
    np.testing.assert_allclose(both, [[1 / 3, 2 / 3, 2 / 3, 0, 0, 0]], rtol=1e-6)
    nothing = fuse(np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32), "concat")
    assert not nothing.any()
