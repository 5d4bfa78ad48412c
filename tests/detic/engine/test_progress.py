"""What a training says while it runs."""

from detectron2.utils.events import EventStorage

from detic.engine.progress import ProgressLine


def test_losses_of_batches_that_take_turns_are_averaged(caplog):
    caplog.set_level("INFO")
    with EventStorage() as storage:
        for iteration in range(20):
            storage.iter = iteration
            loss = 2.0 * (iteration % 2)
            rates = {"time": 0.5, "data_time": 0.1, "images_per_second": 16.0, "lr": 0.01}
            storage.put_scalars(total_loss=loss, loss_mask=loss, **rates)
        ProgressLine(max_iter=40).write()
    course, losses = caplog.messages
    assert course.startswith(
        "iteration 20/40  eta 0:00:10  total_loss 1.000  lr 1.0e-02  16.0 img/s"
    )
    assert losses == "loss_mask 1.000"
