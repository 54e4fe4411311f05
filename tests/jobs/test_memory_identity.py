from pathlib import Path

from homecluster.jobs.vllm_plugin.memory_identity import shared_memory_identity


def test_two_looks_at_one_memory_agree() -> None:
    assert shared_memory_identity() == shared_memory_identity()


def test_another_kernel_differs_although_the_mount_agrees(tmp_path: Path) -> None:
    other = tmp_path / "boot_id"
    other.write_text("another\n")
    assert shared_memory_identity(boot_id=other) != shared_memory_identity()


def test_another_mount_differs_although_the_kernel_agrees() -> None:
    assert shared_memory_identity(shared_memory=Path("/proc")) != shared_memory_identity()
