import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from detic.errors import InputError
from detic.videos import Reconnection, open_video

FRAMES_PER_CONNECTION = 3
SOON = Reconnection(give_up_s=0.02, first_wait_s=0.01)


def jpeg(level):
    return cv2.imencode(".jpg", np.full((48, 64, 3), level, np.uint8))[1].tobytes()


@pytest.fixture
def camera():
    """The address of a stream of JPEG images that drops its first two connections, then is gone.

    The images are 30 levels of grey apart.
    """

    class Connection(BaseHTTPRequestHandler):
        def do_GET(self):
            first = server.num_sent
            if first == 2 * FRAMES_PER_CONNECTION:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            for number in range(first, first + FRAMES_PER_CONNECTION):
                image = jpeg(30 * number)
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}"
                self.wfile.write(head.encode() + b"\r\n\r\n" + image + b"\r\n")
            server.num_sent += FRAMES_PER_CONNECTION

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
    server.num_sent = 0
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://me:secret@127.0.0.1:{server.server_port}/camera?key=secret"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stream_goes_on_over_the_next_connection(camera, caplog):
    with caplog.at_level(logging.INFO), open_video(camera, SOON) as video:
        frames = list(video.frames)
    assert video.is_live
    levels = [round(float(frame.image.mean())) for frame in frames]
    assert levels == pytest.approx([0, 30, 60, 90, 120, 150], abs=1)
    times = [frame.start_s for frame in frames]
    assert times == sorted(times)
    assert times[3] >= SOON.first_wait_s  # of the clock, the wait included
    assert "/camera sends nothing more; it is taken as ended" in caplog.text
    assert "secret" not in caplog.text


def test_without_reconnection_a_stream_ends(camera):
    with open_video(camera, Reconnection(give_up_s=0)) as video:
        assert len(list(video.frames)) == FRAMES_PER_CONNECTION


def test_addresses_that_answer_nothing_are_named_without_their_secrets():
    with (
        pytest.raises(InputError, match=r"cannot read the video 'http://127\.0\.0\.1:9/camera'"),
        open_video("http://me:secret@127.0.0.1:9/camera"),
    ):
        pass


def test_negative_times_are_refused():
    with pytest.raises(InputError, match="reconnected to for 0 seconds or more"):
        Reconnection(give_up_s=-1)
