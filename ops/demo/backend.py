"""The demo's backend: a bookshop in memory, over HTTP/1.1 with keep-alive. Usage: backend.py PORT"""
import http.server
import json
import re
import sys
import threading
import urllib.parse

BOOKS = {str(n): {"id": str(n), "title": title, "author": author, "price": price} for n, (title, author, price) in enumerate([
    ("The Garden of Loops", "A. Turner", 18.5), ("Keys and Locks", "B. Marsh", 24.0), ("A Field Guide to Queues", "C. Ode", 31.9),
    ("Small Servers", "D. Lang", 12.0)], start=1)}
AUTHORS = [{"id": str(n), "name": book["author"]} for n, book in enumerate(BOOKS.values(), start=1)]
LOCK = threading.Lock()
ORDERS = {}


class Bookshop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value=None):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        length = self.headers.get("Content-Length")
        if length is None and self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(length or 0))

    def route(self):
        sent = self.body()
        url = urllib.parse.urlsplit(self.path)
        path, query = url.path.rstrip("/") or "/", urllib.parse.parse_qs(url.query)
        try:
            given = json.loads(sent) if sent else {}
        except ValueError:
            return self.answer(400, {"error": "no JSON"})
        with LOCK:
            status, value = self.found(path, query, given)
        self.answer(status, value)

    def found(self, path, query, given):
        method = "GET" if self.command == "HEAD" else self.command
        if path == "/books" and method == "GET":
            return 200, list(BOOKS.values())
        if path == "/books" and method == "POST":
            number = str(len(BOOKS) + 1)
            BOOKS[number] = {"id": number, **(given if isinstance(given, dict) else {})}
            return 201, BOOKS[number]
        if match := re.fullmatch(r"/books/([^/]+)", path):
            book = BOOKS.get(match[1])
            if book is None:
                return 404, {"error": "no such book"}
            if method in ("PUT", "PATCH"):
                book.update(given if isinstance(given, dict) else {})
            if method == "DELETE":
                return 204, None
            return 200, book
        if path == "/search":
            text = (query.get("q") or [""])[0].lower()
            return 200, [book for book in BOOKS.values() if text in book.get("title", "").lower()]
        if path == "/orders" and method == "POST":
            number = str(len(ORDERS) + 1)
            ORDERS[number] = {"id": number, "state": "open", **(given if isinstance(given, dict) else {})}
            return 201, ORDERS[number]
        if path == "/orders":
            return 200, list(ORDERS.values())
        if match := re.fullmatch(r"/orders/([^/]+)(/.*)?", path):
            order = ORDERS.get(match[1])
            return (200, order) if order else (404, {"error": "no such order"})
        if path == "/authors":
            return 200, AUTHORS
        if path == "/health":
            return 200, {"status": "well"}
        return 200, {"path": path, "method": self.command}

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = route

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Bookshop).serve_forever()
