"""Which parts of a tower are trained."""

import pytest
import timm
import torchvision

from veneer.finetuning.stages import trained_parameters


@pytest.mark.parametrize(
    ("model", "first", "last_of_before"),
    [
        (lambda: timm.create_model("resnet18", num_classes=0), "layer4.0.conv1.weight", "layer3"),
        (
            lambda: timm.create_model("tf_efficientnet_lite0", num_classes=0),
            "blocks.6.0.conv_pw.weight",
            "blocks.5",
        ),
        (
            lambda: timm.create_model("vit_tiny_patch16_224", num_classes=0),
            "blocks.11.norm1.weight",
            "blocks.10",
        ),
        (
            torchvision.models.shufflenet_v2_x0_5,
            "stage4.0.branch1.0.weight",
            "stage3",
        ),
    ],
)
def test_the_last_stage_and_what_follows(model, first, last_of_before):
    tower = model()
    chosen = trained_parameters(tower, "last_stage")
    assert next(iter(chosen)) == first
    frozen = [name for name, each in tower.named_parameters() if not each.requires_grad]
    assert frozen[-1].startswith(last_of_before)
    assert set(chosen) | set(frozen) == set(dict(tower.named_parameters()))


def test_all_and_nothing():
    tower = timm.create_model("resnet18", num_classes=0)
    assert not trained_parameters(tower, "projection")
    assert not any(each.requires_grad for each in tower.parameters())
    assert len(trained_parameters(tower, "all")) == len(list(tower.parameters()))
    assert all(each.requires_grad for each in tower.parameters())
