"""Where events go: each sink gets every event of the journal in order, from where it stopped last time."""

from defiliq.watch.sinks.background import Background
from defiliq.watch.sinks.delivery import Delivery, Sink, deliver_all
from defiliq.watch.sinks.file import FileSink
from defiliq.watch.sinks.stdout import StreamSink
from defiliq.watch.sinks.webhook import WebhookSink, webhook_sink

__all__ = [
    "Background",
    "Delivery",
    "FileSink",
    "Sink",
    "StreamSink",
    "WebhookSink",
    "deliver_all",
    "webhook_sink",
]
