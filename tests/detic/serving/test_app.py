"""The service over HTTP, with a detector that finds whatever it is asked for."""

import asyncio
import re
import threading
from pathlib import Path

import pytest

from detic.serving.limits import Limits

from .malformed import DETECT, FORM, JSON, SWAPPED, malformed
from .service_of_fakes import FakeDetector, image_file, in_service

pytest.importorskip("fastapi", reason="the packages of the extra `serve` are not installed")
pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("python_multipart", reason="python-multipart is not installed")


def names_in(response):
    assert response.status_code == 200, response.text
    return [found["name"] for found in response.json()["detections"]]


def test_an_image_comes_as_body_or_in_a_form():
    async def test(client, service):
        as_body = await client.post(f"{DETECT}?names=mug, plate", content=image_file())
        in_form = await client.post(
            DETECT, files={"image": image_file()}, data={"names": ["mug", "plate"]}
        )
        assert names_in(as_body) == names_in(in_form) == ["mug", "plate"]
        assert as_body.json() == in_form.json()
        assert as_body.json()["model"] == {"name": "fake", "version": "1"}

    in_service(test)


def test_commas_in_quotes_belong_to_names():
    line = 'key, "wine, red",6" nail,"a ""big"" mug"'
    expected = ["key", "wine, red", '6" nail', 'a "big" mug']

    async def test(client, service):
        as_body = await client.post(DETECT, params={"names": line}, content=image_file())
        in_form = await client.post(DETECT, files={"image": image_file()}, data={"names": line})
        assert names_in(as_body) == names_in(in_form) == expected

    in_service(test)


def test_names_of_the_query_go_with_an_address_too(monkeypatch):
    monkeypatch.setattr("detic.serving.service.fetch_image", lambda *arguments: BODY)

    async def test(client, service):
        for body, expected in (
            ({"url": "http://a/"}, ["mug", "plate"]),
            ({"url": "http://a/", "names": ["key, black"]}, ["key, black"]),
        ):
            found = await client.post(f"{DETECT}?names=mug, plate", json=body)
            assert names_in(found) == expected

    in_service(test)


def test_slow_addresses_hold_up_nothing_else(monkeypatch):
    may_go = threading.Event()

    def fetch(*arguments):
        assert may_go.wait(20)
        return BODY

    monkeypatch.setattr("detic.serving.service.fetch_image", fetch)

    async def test(client, service):
        asked = (client.post(DETECT, json={"url": "http://a/"}) for _ in range(40))
        waiting = [asyncio.create_task(request) for request in asked]
        while service.admission.num_requests < 40:
            await asyncio.sleep(0.001)
        assert (await client.put(SWAPPED, json=["mug"])).status_code == 201
        may_go.set()
        assert {response.status_code for response in await asyncio.gather(*waiting)} == {200}

    in_service(test)


def test_vocabularies_are_stored_read_used_and_forgotten():
    async def test(client, service):
        path = "/v1/vocabularies/kitchen"
        first = await client.put(path, json=["plate", {"name": "mug", "synonyms": ["cup"]}])
        assert (first.status_code, first.json()["size"]) == (201, 2)
        second = await client.put(
            path, content="- spoon\n", headers={"Content-Type": "text/yaml; charset=utf-8"}
        )
        assert second.status_code == 200
        assert second.json()["version"] != first.json()["version"]
        read = (await client.get(path)).json()
        assert read == {**second.json(), "classes": ["spoon"]}
        found = await client.post(f"{DETECT}?vocabulary=kitchen", content=image_file())
        assert names_in(found) == ["spoon"]
        assert found.json()["vocabulary"] == second.json()
        listed = (await client.get("/v1/vocabularies")).json()["vocabularies"]
        assert [vocabulary["id"] for vocabulary in listed] == ["default", "kitchen"]
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404

    in_service(test)


BODY = image_file()
NAMES_FORM = (
    b'--x\r\nContent-Disposition: form-data; name="names"\r\n\r\na,b,c\r\n'
    b'--x\r\nContent-Disposition: form-data; name="names"\r\n\r\nd\r\n'
    b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nx\r\n--x--\r\n'
)
MISTAKES = {  # method, address, body, headers, status, words of the message
    "no image": ("POST", DETECT, b"text", {}, 400, "cannot be read"),
    "nothing": ("POST", DETECT, b"", {}, 400, "there is no image"),
    "half an image": ("POST", DETECT, BODY[:50], {}, 400, "cannot be read"),
    "other format": ("POST", DETECT, image_file(format="PCX"), {}, 400, "PCX is not read"),
    "a broken form": ("POST", DETECT, b"no form", FORM, 400, "form"),
    "no JSON": ("POST", DETECT, b"{", JSON, 400, "no JSON"),
    "a list": ("POST", DETECT, b"[]", JSON, 400, "no JSON object"),
    "no JSON either": ("PUT", SWAPPED, b'["a"', JSON, 400, "the body is no JSON: Expecting"),
    "no UTF-8": ("PUT", SWAPPED, b"\xff", {"Content-Type": "text/plain"}, 400, "not UTF-8"),
    "unknown vocabulary": ("POST", f"{DETECT}?vocabulary=x", BODY, {}, 404, "no vocabulary 'x'"),
    "unknown route": ("GET", "/v1/cats", b"", {}, 404, "Not Found"),
    "wrong method": ("GET", DETECT, b"", {}, 405, "Not Allowed"),
    "many bytes": ("POST", DETECT, b"x" * 3000, {}, 413, "more than 2,000 bytes"),
    "many pixels": ("POST", DETECT, image_file(200, 100), {}, 413, "200 x 100 pixels"),
    "large vocabulary": ("PUT", SWAPPED, b"x" * 3000, JSON, 413, "more than 2,000 bytes"),
    "no vocabulary": ("PUT", SWAPPED, BODY, {"Content-Type": "image/png"}, 415, "no vocabulary"),
    "threshold": ("POST", f"{DETECT}?threshold=2", BODY, {}, 422, "threshold: "),
    "no number": ("POST", f"{DETECT}?threshold=nan", BODY, {}, 422, "threshold: "),
    "unknown option": ("POST", f"{DETECT}?treshold=0.2", BODY, {}, 422, "treshold: "),
    "two vocabularies": ("POST", f"{DETECT}?vocabulary=a&names=b", BODY, {}, 422, "keep one"),
    "an empty name": ("POST", f"{DETECT}?names=a,", BODY, {}, 422, "name 2 is empty"),
    "an open quote": ("POST", f'{DETECT}?names="a,b', BODY, {}, 422, 'as "wine, red"'),
    "many names": ("POST", f"{DETECT}?names=a,b,c,d", BODY, {}, 422, "has 4 names"),
    "many in a form": ("POST", f"{DETECT}?vocabulary=a", NAMES_FORM, FORM, 422, "has 4 names"),
    "no name": ("POST", DETECT, b'{"url": "a", "names": [1, 2]}', JSON, 422, "names.0: "),
    "long JSON": ("POST", DETECT, b" " * 1600, JSON, 413, "more than 1,500 bytes"),
    "an address": ("POST", DETECT, b'{"url": "http://a"}', JSON, 422, "fetches no addresses"),
}


@pytest.mark.parametrize(
    ("method", "address", "body", "headers", "status", "words"), MISTAKES.values(), ids=MISTAKES
)
def test_mistakes_are_told(method, address, body, headers, status, words):
    limits = Limits(max_body_bytes=2000, max_vocabulary_bytes=1500, max_pixels=15000, max_texts=3)

    async def test(client, service):
        response = await client.request(method, address, content=body, headers=headers)
        assert response.status_code == status
        assert words in response.json()["error"]
        described = (await client.get("/openapi.json")).json()["paths"]
        path = address.partition("?")[0].replace(SWAPPED, "/v1/vocabularies/{id}")
        answers = described.get(path, {}).get(method.lower())  # none of other routes and methods
        assert answers is None or str(status) in answers["responses"]
        assert (service.admission.num_requests, service.admission.held_bytes) == (0, 0)

    in_service(test, limits=limits)


def test_a_body_without_length_is_cut_off():
    sent = []

    async def endless():
        while True:
            sent.append(1)
            yield b"x" * 1000

    async def test(client, service):
        response = await client.post(DETECT, content=endless())
        assert response.status_code == 413
        assert len(sent) < 5

    in_service(test, limits=Limits(max_body_bytes=2000))


def test_clients_that_go_away_are_no_defect():
    async def test(client, service):
        app = client._transport.app
        scope = {"type": "http", "method": "POST", "path": DETECT, "raw_path": DETECT.encode()}
        scope |= {"query_string": b"", "headers": [], "client": ("a", 1), "server": ("b", 2)}
        sent = []

        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)
        assert sent[0]["status"] == 400
        assert service.admission.num_requests == 0

    in_service(test)


def test_a_token_is_asked_for():
    async def test(client, service):
        for sent in ("", "Bearer wrong", "Basic right-token", "Bearer räää"):
            headers = {"Authorization": sent.encode()}
            for path in ("/v1/models", "/v1/vocabularies", "/metrics"):
                response = await client.get(path, headers=headers)
                assert response.status_code == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
            assert (await client.post(DETECT, headers=headers)).status_code == 401
        right = {"Authorization": "Bearer right-token"}
        assert (await client.get("/v1/models", headers=right)).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/")).status_code == 200

    in_service(test, token="right-token")


def test_requests_that_name_another_host_are_refused():
    async def test(client, service):
        for host, status in (
            ("localhost:80", 200),
            ("[::1]:80", 200),
            ("evil.org", 400),
            ("[", 400),
        ):
            response = await client.get("/healthz", headers={"Host": host})
            assert response.status_code == status
        response = await client.get("/healthz", headers={"Host": "evil.org"})
        assert "'evil.org', the service answers to ::1, localhost" in response.json()["error"]

    in_service(test, hosts={"localhost", "::1"})


def test_a_full_service_says_when_to_come_again():
    detector = FakeDetector()
    detector.may_go.clear()

    async def test(client, service):
        waiting = [asyncio.create_task(client.post(DETECT, content=BODY)) for _ in range(2)]
        while service.admission.num_requests < 2:
            await asyncio.sleep(0.001)
        refused = await client.post(DETECT, content=BODY)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        detector.may_go.set()
        assert [response.status_code for response in await asyncio.gather(*waiting)] == [200, 200]

    in_service(test, detector, limits=Limits(max_requests=2))


def test_one_client_does_not_take_all():
    detector = FakeDetector()
    detector.may_go.clear()

    async def test(client, service):
        waiting = asyncio.create_task(client.post(DETECT, content=BODY))
        while not service.admission.num_requests:
            await asyncio.sleep(0.001)
        assert (await client.post(DETECT, content=BODY)).status_code == 429
        detector.may_go.set()
        assert (await waiting).status_code == 200

    in_service(test, detector, limits=Limits(max_per_client=1))


def test_answers_that_take_too_long_are_given_up():
    detector = FakeDetector()
    detector.may_go.clear()

    async def slow_body():
        yield b"x"
        await asyncio.sleep(5)

    async def test(client, service):
        assert (await client.post(DETECT, content=slow_body())).status_code == 408
        assert (await client.post(DETECT, content=BODY)).status_code == 503
        detector.may_go.set()

    in_service(test, detector, limits=Limits(timeout_s=0.05))


class SlowToLearn(FakeDetector):
    """It prepares no vocabulary but its own before it may."""

    def __init__(self):
        super().__init__()
        self.may_learn = threading.Event()

    def prepare(self, classes):
        if classes is not self.classes:
            assert self.may_learn.wait(20)
        return super().prepare(classes)


def test_addresses_that_take_too_long_hold_up_no_end(monkeypatch):
    may_go, has_ended = threading.Event(), threading.Event()

    def fetch(*arguments):
        may_go.wait(5)
        has_ended.set()
        return BODY

    monkeypatch.setattr("detic.serving.service.fetch_image", fetch)

    async def test(client, service):
        late = await client.post(DETECT, json={"url": "http://a/"})
        assert late.status_code == 503
        await service.drain()
        assert not has_ended.is_set()
        may_go.set()

    in_service(test, limits=Limits(timeout_s=0.05))


def test_a_full_disk_is_told(monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", fail)

    async def test(client, service):
        response = await client.post(DETECT, files={"image": b"x" * 2**21})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert "cannot write to its disk" in response.json()["error"]
        assert service.admission.held_bytes == 0

    in_service(test)


def test_the_first_of_many_unknown_options_is_named():
    fields = {"url": "http://a/"} | {f"option{n}": n for n in range(1000)}

    async def test(client, service):
        for asked in ({"json": fields}, {"files": {"image": BODY}, "data": fields}):
            response = await client.post(DETECT, **asked)
            assert response.status_code == 422
            name = "option0" if "json" in asked else "url"
            expected = f"{name}: no such option; choose vocabulary, names, threshold, masks"
            assert response.json()["error"] == expected

    in_service(test)


def test_masks_count_as_memory():
    limits = Limits(max_held_bytes=4000)  # an image of 20 x 30 pixels, but not 5 masks of it

    async def test(client, service):
        body = image_file(20, 30)
        for query, status in (("names=a", 200), ("names=a,b,c,d,e", 413)):
            response = await client.post(f"{DETECT}?{query}&masks=rle", content=body)
            assert response.status_code == status
        assert "ask for no masks" in response.json()["error"]
        assert (await client.post(f"{DETECT}?names=a,b,c,d,e", content=body)).status_code == 200

    in_service(test, limits=limits)


def test_large_images_with_masks_share_no_batch():
    detector = FakeDetector()
    detector.may_go.clear()

    async def test(client, service):
        def ask(query):
            return asyncio.create_task(client.post(DETECT + query, content=image_file(10, 8)))

        first = ask("?names=a")
        await asyncio.to_thread(detector.started.wait, 20)
        waiting = [ask(f"?names=b&masks={masks}") for masks in ("rle", "none") for _ in range(3)]
        while len(service.batcher) < len(waiting):
            await asyncio.sleep(0.001)
        detector.may_go.set()
        await asyncio.gather(first, *waiting)
        assert sorted(map(len, detector.batches)) == [1, 1, 2, 3]

    in_service(test, detector, limits=Limits(max_pixels=170))


def test_vocabularies_that_take_too_long_are_not_stored():
    detector = SlowToLearn()

    async def test(client, service):
        response = await client.put(SWAPPED, json=["mug"])
        assert response.status_code == 503
        assert "Retry-After" in response.headers
        detector.may_learn.set()
        assert names_in(await client.post(f"{DETECT}?names=plate", content=BODY)) == ["plate"]
        assert (await client.get(SWAPPED)).status_code == 404

    in_service(test, detector, limits=Limits(timeout_s=0.3))


def test_seconds_of_requests_hold_all_that_was_waited_for():
    detector = SlowToLearn()

    async def test(client, service):
        waiting = asyncio.create_task(client.post(f"{DETECT}?names=mug", content=BODY))
        await asyncio.sleep(0.05)
        detector.may_learn.set()
        assert names_in(await waiting) == ["mug"]
        text = (await client.get("/metrics")).text
        assert float(re.search(r"detic_request_seconds_sum (.*)", text)[1]) >= 0.04

    in_service(test, detector)


def test_images_of_one_size_share_batches():
    detector = FakeDetector()
    detector.may_go.clear()

    async def test(client, service):
        first = asyncio.create_task(client.post(DETECT, content=BODY))
        while not detector.started.is_set():
            await asyncio.sleep(0.001)
        files = [image_file(8 + n % 2, 6) for n in range(8)]
        waiting = [asyncio.create_task(client.post(DETECT, content=file)) for file in files]
        while len(service.batcher) < 8:
            await asyncio.sleep(0.001)
        detector.may_go.set()
        assert all(r.status_code == 200 for r in await asyncio.gather(first, *waiting))

    in_service(test, detector)
    assert sorted(map(len, detector.batches)) == [1, 4, 4]
    assert all(len(set(shapes)) == 1 for shapes in detector.batches)


def test_swapped_vocabularies_never_mix():
    async def test(client, service):
        contents = [[f"{letter}{n}" for n in range(3)] for letter in "ab"]
        versions = {}

        async def swap(times):
            for turn in range(times):
                names = contents[turn % 2]
                stored = await client.put(SWAPPED, json=names)
                versions[stored.json()["version"]] = names
                await asyncio.sleep(0)

        async def ask(times):
            for _ in range(times):
                response = await client.post(f"{DETECT}?vocabulary=swapped", content=BODY)
                assert names_in(response) == versions[response.json()["vocabulary"]["version"]]

        await swap(2)
        await asyncio.gather(swap(60), *(ask(12) for _ in range(8)))
        assert len(versions) == 2

    in_service(test)


def test_a_service_that_ends_answers_what_it_has_taken():
    """Where another server ends it while it still takes connections; ``test_process`` has our own."""
    detector = FakeDetector()
    detector.may_go.clear()

    async def test(client, service):
        waiting = [asyncio.create_task(client.post(DETECT, content=BODY)) for _ in range(3)]
        while len(service.batcher) < 2:
            await asyncio.sleep(0.001)
        draining = asyncio.create_task(service.drain())
        while service.is_ready:
            await asyncio.sleep(0.001)
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.post(DETECT, content=BODY)).status_code == 503
        detector.may_go.set()
        assert [r.status_code for r in await asyncio.gather(*waiting)] == [200] * 3
        await draining
        assert not service.batcher.is_alive

    in_service(test, detector, max_batch=1)


def test_malformed_requests_leave_the_service_up():
    async def test(client, service):
        statuses = set()
        for number in range(500):
            method, address, body, headers = malformed(number)
            response = await client.request(method, address, content=body, headers=headers)
            statuses.add(response.status_code)
            assert response.status_code < 500, (number, response.text)
        assert {400, 404, 405, 413, 415, 422} <= statuses
        assert (await client.get("/readyz")).status_code == 200
        assert names_in(await client.post(DETECT, content=BODY)) == ["thing"]
        assert (service.admission.num_requests, service.admission.held_bytes) == (0, 0)

    in_service(test)


def test_the_description_has_examples():
    from detic.serving.requests import DetectOptions

    async def test(client, service):
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert set(paths) >= {DETECT, "/v1/models", "/v1/vocabularies/{id}", "/healthz", "/readyz"}
        answers = paths[DETECT]["post"]["responses"]
        assert set(answers) == {*map(str, (200, 400, 401, 404, 408, 413, 422, 429, 503))}
        described = [
            (int(status), answer)
            for methods in paths.values()
            for route in methods.values()
            for status, answer in route["responses"].items()
        ]
        for answer in (answer for status, answer in described if status >= 400):
            assert answer["content"]["application/json"]["example"].keys() == {"error"}
        example = answers["200"]["content"]["application/json"]["example"]
        found = (await client.post(f"{DETECT}?masks=polygons", content=BODY)).json()
        assert example.keys() == found.keys()
        assert example["detections"][0].keys() == found["detections"][0].keys()
        asked = paths[DETECT]["post"]["requestBody"]["content"]
        for kind, image in (("multipart/form-data", "image"), ("application/json", "url")):
            assert set(asked[kind]["schema"]["properties"]) == {image, *DetectOptions.model_fields}
        body = paths["/v1/vocabularies/{id}"]["put"]["requestBody"]["content"]
        stored = await client.put(SWAPPED, json=body["application/json"]["example"])
        assert stored.status_code == 201

    in_service(test)


def test_metrics_count_requests_and_batches():
    async def test(client, service):
        await client.post(DETECT, content=BODY)
        await client.post(DETECT, content=b"x")
        await client.get("/secret/of/mine")
        lines = (await client.get("/metrics")).text.splitlines()
        for status in (200, 400):
            row = f'detic_requests_total{{method="POST",route="{DETECT}",status="{status}"}} 1'
            assert row in lines
        assert 'detic_requests_total{method="any",route="none",status="404"} 1' in lines
        assert 'detic_batch_images_bucket{le="1.0"} 1' in lines
        assert "detic_batch_images_count 1" in lines
        assert "detic_objects_total 1" in lines
        assert "detic_requests_in_progress 0" in lines

    in_service(test)


def test_the_page_loads_nothing_from_elsewhere():
    async def test(client, service):
        response = await client.get("/")
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "https://" not in response.text
        assert " style=" not in response.text  # the policy lets no such attribute be

    in_service(test)


def test_python_of_the_page_makes_an_application():
    page = Path(__file__).resolve().parents[3] / "docs" / "serve.md"
    (block,) = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(block, "serve.md", "exec"), names)
    assert names["app"].title == "Detic"
