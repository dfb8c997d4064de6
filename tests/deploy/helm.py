"""Renders a chart with Helm itself: helm.py LIBRARY CHART VALUES.json

No helm program is to be had from a package registry, but its library is (PyPI's helm-sdkpy, by ctypes). That library
lints and installs; so this lints, then installs into a cluster that is played here. What Helm puts there is printed: a
JSON list of resources.
"""

import ctypes
import json
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KINDS = {
    "/api/v1": ["Secret", "ConfigMap", "Service", "PersistentVolumeClaim"],
    "/apis/apps/v1": ["Deployment", "StatefulSet"],
    "/apis/networking.k8s.io/v1": ["Ingress"],
}


def plural(kind):
    return kind.lower() + ("es" if kind.endswith("s") else "s")


def discovery(path):
    """What a cluster says of itself, as far as Helm asks."""
    if path == "/version":
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = []
        for name in ("apps", "networking.k8s.io"):
            version = {"groupVersion": f"{name}/v1", "version": "v1"}
            groups.append({"name": name, "versions": [version], "preferredVersion": version})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if path in KINDS:
        version = path.removeprefix("/apis/").removeprefix("/api/")
        verbs = ["create", "get", "list", "patch", "update", "delete"]
        resources = [{"name": plural(kind), "kind": kind, "namespaced": True, "verbs": verbs} for kind in KINDS[path]]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
    return None


class Cluster(BaseHTTPRequestHandler):
    """Knows the kinds above, has none of them, and takes every one."""

    protocol_version = "HTTP/1.1"
    taken = []

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        path = self.path.split("?")[0].rstrip("/")
        found = discovery(path)
        if found is None:
            found = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        self.answer(found.get("code", 200), found)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers["Content-Type"] != "application/json":
            # Helm's own record of the release goes another way than what is in the chart.
            self.answer(201, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "release"}})
            return
        self.taken.append(json.loads(body))
        self.answer(201, self.taken[-1])

    def do_PUT(self):
        self.do_POST()


def library(path):
    """The library with the few types that ctypes must know."""
    helm = ctypes.CDLL(path)
    helm.helm_sdkpy_last_error.restype = ctypes.c_char_p
    return helm


def check(helm, code):
    if code != 0:
        sys.exit(re.sub(r"\s+", " ", helm.helm_sdkpy_last_error().decode()))


def main(library_path, chart, values_path):
    helm = library(library_path)
    values = Path(values_path).read_text()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        kubeconfig = Path(folder, "config")
        kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "played",
            "clusters": [{"name": "played", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "contexts": [{"name": "played", "context": {"cluster": "played", "user": "nobody"}}],
            "users": [{"name": "nobody", "user": {}}],
        }))
        handle, text = ctypes.c_ulonglong(), ctypes.c_char_p()
        config = str(kubeconfig).encode()
        check(helm, helm.helm_sdkpy_config_create(b"shop", config, b"", b"{}", ctypes.byref(handle)))
        check(helm, helm.helm_sdkpy_lint(handle, chart.encode(), ctypes.byref(text)))
        linted = json.loads(text.value)
        # 1 is a hint, such as that there is no icon.
        if linted["Errors"] or any(message["Severity"] > 1 for message in linted["Messages"] or []):
            sys.exit(f"lint: {text.value.decode()}")
        options = json.dumps({"wait": False, "timeout_seconds": 20, "disable_openapi_validation": True,
                              "server_side_apply": "false"}).encode()
        check(helm, helm.helm_sdkpy_install(
            handle, b"demo", chart.encode(), values.encode(), b"", options, ctypes.byref(text)))
    print(json.dumps(Cluster.taken))


main(*sys.argv[1:])
