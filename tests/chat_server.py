"""A stand-in on this machine for a server of chat completions, which behaves as badly as servers do."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOR_EVER_S = 120.0  # after which a test fails instead of hanging


def completion(text, finish_reason="stop"):
    body = {
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50},
    }
    return 200, json.dumps(body).encode(), {}


class Server:
    """Answers with the scripted replies in turn, the last for ever; a reply is (status, body, headers) or a function of
    the request that returns one, once whatever it waits for has happened."""

    def __init__(self, *replies):
        self.replies, self.seen, self.at_once, self.most = list(replies), [], 0, 0
        lock = self.changed = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                with lock:
                    outer.at_once += 1
                    outer.most = max(outer.most, outer.at_once)
                    body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                    outer.seen.append((self.path, self.headers, body))
                    lock.notify_all()
                    reply = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                try:
                    status, body, headers = reply(body) if callable(reply) else reply
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    if "Content-Length" not in headers:
                        self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the client has gone
                finally:
                    with lock:
                        outer.at_once -= 1

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/"

    def once_seen(self, requests, reply):
        """A reply that is held back until so many requests have come."""

        def late(_):
            with self.changed:
                came = self.changed.wait_for(lambda: len(self.seen) >= requests, timeout=FOR_EVER_S)
            return reply if came else (400, b"the other requests never came", {})

        return late

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
