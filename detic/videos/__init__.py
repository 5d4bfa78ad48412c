"""Videos, cameras and streams: frames with their times, read and written."""

from detic.videos.reader import Frame, Video, live_frames, open_video
from detic.videos.streams import Reconnection
from detic.videos.writer import video_writer

__all__ = ["Frame", "Reconnection", "Video", "live_frames", "open_video", "video_writer"]
