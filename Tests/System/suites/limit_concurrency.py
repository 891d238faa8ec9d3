"""limit-concurrency at a running node: who gets in, and that a slot comes back at every end of a call."""
import socket
import threading

from support import KEY, Caller, name, until

BUSY = b'{ "statusCode": 429, "message": "Too many requests" }'


class Gate:
    """A backend that answers when it is told. X-Then says what follows: an answer, a close, or a head whose body waits."""

    def __init__(self):
        self.lock, self.waiting = threading.Condition(), []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            received = b""
            while True:
                while b"\r\n\r\n" not in received:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    received += piece
                head, _, received = received.partition(b"\r\n\r\n")
                if b"x-then: body" in head.lower():
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
                opened = threading.Event()
                with self.lock:
                    self.waiting.append(opened)
                opened.wait(60)
                if b"x-then: close" in head.lower():
                    return
                try:
                    connection.sendall(b"ok" if b"x-then: body" in head.lower() else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                except OSError:
                    return

    def inside(self):
        return len(self.waiting)

    def open(self):
        with self.lock:
            waiting, self.waiting = self.waiting, []
        for opened in waiting:
            opened.set()


class Shop:
    """An API whose backend section limits its calls, at one node."""

    def __init__(self, cluster, inside="<forward-request />", most=2):
        self.cluster, self.gate, self.api = cluster, Gate(), name("limited")
        cluster.shop(self.api, self.gate)
        self.key = cluster.subscribe(name("sid"), f"/apis/{self.api}")
        self.policy = f"/apis/{self.api}/policies/policy"
        self.limit(inside, most)

    def limit(self, inside, most):
        block = f'<limit-concurrency key="{self.api}" max-count="{most}">{inside}</limit-concurrency>'
        self.cluster.made(self.policy, {"format": "rawxml", "value": f"<policies><inbound><base /></inbound><backend>{block}</backend><outbound><base /></outbound><on-error><base /></on-error></policies>"})

    def call(self, node=0, then="answer"):
        return Caller(self.cluster.nodes[node]["http"]).call("GET", f"/{self.api}/things/1", {KEY: self.key, "X-Then": then})

    def begin(self, node=0, then="answer"):
        """The connection of a call that was sent."""
        caller = Caller(self.cluster.nodes[node]["http"])
        caller.connect()
        caller.socket.sendall(f"GET /{self.api}/things/1 HTTP/1.1\r\nHost: {caller.host}\r\n{KEY}: {self.key}\r\nX-Then: {then}\r\n\r\n".encode())
        return caller

    def send(self, node=0, then="answer"):
        """The connection of a call that the backend has."""
        before, caller = self.gate.inside(), self.begin(node, then)
        assert until(lambda: self.gate.inside() > before, 10) is not None, "the backend got no call"
        return caller

    def read(self, caller, opening=False):
        """The answer of a call; `opening` lets all that wait at the backend go on until it is there."""
        raw = b""
        caller.socket.settimeout(0.02 if opening else 20)
        while not raw.endswith(b"ok") and b"}" not in raw:
            if opening:
                self.gate.open()
            try:
                piece = caller.socket.recv(65536)
            except TimeoutError:
                if opening:
                    continue
                raise
            if not piece:
                break
            raw += piece
        caller.close()
        return raw

    def is_free(self):
        """Whether a call gets in; all that wait are answered."""
        replies = []
        thread = threading.Thread(target=lambda: replies.append(self.call()))
        thread.start()
        while thread.is_alive():
            self.gate.open()
            thread.join(0.01)
        return replies[0].status == 200

    def is_empty(self, most):
        """Whether all slots are free: so many calls get in, and no more."""
        callers = [self.send() for _ in range(most)]
        refused = self.call()
        self.gate.open()
        answers = [self.read(caller) for caller in callers]
        return refused.status == 429 and all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


def test_I38_the_limit_holds_to_the_call_at_each_node(cluster):
    shop = Shop(cluster, most=3)
    for node in range(len(cluster.nodes)):
        inside = [shop.send(node) for _ in range(3)]
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(shop.call(node))) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(replies) == 40 and {(reply.status, reply.body) for reply in replies} == {(429, BUSY)}, replies[0].raw
        assert replies[0].fields["content-type"] == "application/json" and "retry-after" not in replies[0].fields
        assert shop.gate.inside() == 3
        shop.gate.open()
        assert all(shop.read(caller).startswith(b"HTTP/1.1 200") for caller in inside)
    assert shop.is_empty(3)


def test_I38_of_many_at_once_exactly_as_many_pass_as_may(cluster):
    shop = Shop(cluster, most=5)
    replies, lock = [], threading.Lock()

    def call():
        reply = shop.call()
        with lock:
            replies.append(reply.status)
    threads = [threading.Thread(target=call) for _ in range(64)]
    for thread in threads:
        thread.start()
    assert until(lambda: len(replies) == 59, 20) is not None, f"{len(replies)} were answered, {shop.gate.inside()} are inside"
    assert set(replies) == {429} and shop.gate.inside() == 5
    shop.gate.open()
    for thread in threads:
        thread.join()
    assert sorted(replies)[:5] == [200] * 5 and shop.is_empty(5)


def test_I44_a_caller_that_leaves_before_the_head_gives_its_slot_back(cluster):
    shop = Shop(cluster, most=1)
    for _ in range(20):
        shop.send().close()
        assert until(shop.is_free, 10) is not None, "the slot is stuck"
    assert shop.is_empty(1)


def test_I44_a_slot_is_free_when_the_head_has_come(cluster):
    shop = Shop(cluster, most=1)
    callers = []

    def gets_a_head():
        callers.append(shop.begin(then="body"))
        return callers[-1].socket.recv(65536).startswith(b"HTTP/1.1 200")
    for _ in range(5):
        assert until(gets_a_head, 10) is not None, "a body that is on its way holds the slot"
    callers[-1].close()
    callers.pop()
    assert until(shop.is_free, 10) is not None
    for caller in callers:
        caller.close()
    assert shop.is_empty(1)


def test_I44_a_backend_that_fails_gives_the_slot_back(cluster):
    shop = Shop(cluster, most=1)
    for _ in range(5):
        # A connection that had served before may be tried once more with another.
        assert shop.read(shop.send(then="close"), opening=True).startswith(b"HTTP/1.1 500")
        assert shop.is_free()
    shop.limit('<forward-request timeout-ms="150" />', 1)
    for _ in range(5):
        caller = shop.send()
        assert shop.read(caller).startswith(b"HTTP/1.1 500")
        shop.gate.open()
    shop.limit("<forward-request />", 1)
    assert shop.is_empty(1)


def test_I44_policies_inside_that_end_the_call_give_the_slot_back(cluster):
    answer = '<return-response><set-status code="202" /></return-response>'
    shop = Shop(cluster, inside=answer, most=1)
    assert [shop.call().status for _ in range(50)] == [202] * 50
    shop.limit(f'<forward-request fail-on-error-status-code="true" />{answer}', 1)
    caller = shop.send()
    shop.gate.open()
    assert caller.socket.recv(65536).startswith(b"HTTP/1.1 202")
    shop.limit("<forward-request />", 1)
    assert shop.is_empty(1)


def test_I44_calls_that_are_inside_count_on_while_policies_change(cluster):
    shop = Shop(cluster, most=2)
    inside = [shop.send(), shop.send()]
    shop.limit("<set-header name=\"x\"><value>1</value></set-header><forward-request />", 2)
    assert shop.call().status == 429, "the calls of the former document are inside still"
    assert cluster.delete(shop.policy).status == 200
    shop.gate.open()
    assert all(shop.read(caller).startswith(b"HTTP/1.1 200") for caller in inside)
    shop.limit("<forward-request />", 2)
    assert shop.is_empty(2)


def test_what_is_wrong_is_refused_with_its_place(cluster):
    api = cluster.shop(name("refused"), Gate())
    for block, target, message in (
            ('<limit-concurrency key="k"><set-method>GET</set-method></limit-concurrency>', "limit-concurrency", "The required attribute 'max-count' is missing."),
            ('<limit-concurrency key="k" max-count="0"><set-method>GET</set-method></limit-concurrency>', "limit-concurrency", "must be an integer from 1"),
            ('<limit-concurrency key="@(context.User.Id)" max-count="1"><set-method>GET</set-method></limit-concurrency>', "limit-concurrency", "Policy expressions are not supported yet"),
            ('<limit-concurrency key="k" max-count="1" />', "limit-concurrency", "The element must hold a policy."),
            ('<limit-concurrency key="k" max-count="1"><base /></limit-concurrency>', "base", "<base /> may not stand in another policy."),
            ('<limit-concurrency key="k" max-count="1"><forward-request /></limit-concurrency>', "forward-request", "Policy is not allowed in the specified section")):
        answer = cluster.put(f"/apis/{api}/policies/policy", {"format": "rawxml", "value": f"<policies><inbound><base />{block}</inbound></policies>"})
        assert answer.status == 400 and answer.targets == [target], answer.text
        assert message in answer.error["details"][0]["message"] and "on line 1, column" in answer.error["details"][0]["message"], answer.text
