"""A muster server of this build, and clients that talk to it."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

START_SECONDS = 30
STOP_SECONDS = 30

ORGANIZATION = "5F2B0A1C3D4E5F60A49C0D1E@AdobeOrg"
DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")


class Server:
    """`muster serve` on a free port of the loopback, over a folder of its own."""

    def __init__(self, *options):
        self.folder = tempfile.mkdtemp(prefix="muster-clients-")
        self.log_path = os.path.join(self.folder, "server.log")
        self.options = options
        self.process = None
        self.base = None

    def start(self):
        command = [os.environ["MUSTER"], "serve", "--data", os.path.join(self.folder, "data"),
                   "--listen", "127.0.0.1:0", *self.options]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        self.base = self._wait_for_address()
        return self

    def _wait_for_address(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = re.search(r'"listening":"[^"]*:(\d+)"', self.log())
            if found:
                return "http://127.0.0.1:" + found.group(1)
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise AssertionError("the server does not start:\n" + self.log())

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def stop(self):
        """Ends the server as a person would; a server that does not end is a failure."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("the server does not stop:\n" + self.log()) from None
        if process.returncode != 0:
            raise AssertionError("the server ended with status %d:\n%s"
                                 % (process.returncode, self.log()))

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def request(self, method, path, body=None, headers=None):
        """One request without a client library: (status, JSON or None)."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=method, headers={
            "Authorization": "Bearer local", "x-api-key": "local",
            "x-gw-ims-org-id": ORGANIZATION, "x-sandbox-name": "prod",
            "Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, json.loads(text) if text else None


def point_aepp_at(base, sandbox="prod"):
    """Configures aepp for a server; returns the arguments its classes take."""
    import aepp
    import aepp.config

    aepp.configure(org_id=ORGANIZATION, client_id="local", secret="local",
                   scopes="openid,AdobeID", sandbox=sandbox)
    # configure() resets both, so they come after it and before any class is made.
    aepp.config.endpoints["global"] = base
    aepp.config.config_object["oauthTokenEndpointV2"] = base + "/ims/token/v3"
    return {"config": aepp.config.config_object, "header": aepp.config.header}


def data_file(name):
    """A file of tests/data/luma as JSON."""
    with open(os.path.join(DATA, "luma", name), encoding="utf-8") as file:
        return json.load(file)


class ClientTest(unittest.TestCase):
    """A class of tests with a server of its own."""

    server_options = ("--tenant", "luma")

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.server_options).start()
        cls.addClassCleanup(cls.server.remove)
        cls.aepp = point_aepp_at(cls.server.base)
