#!/usr/bin/env python3
"""Another server's client (tritonclient[http]) against `laxity serve`; answers equal ONNX Runtime's own.

    tests/oip_client_test.py LAXITY_BINARY [--venv FOLDER]

Health, metadata, repository index, JSON and binary tensors, several jobs in one request, requested outputs,
errors. The client and ONNX Runtime come from PyPI into an environment of their own under FOLDER (default: a
temporary one), which is made once. Exit status: 0 equal, 1 not, 77 skipped: it cannot be installed here.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

PACKAGES = ["tritonclient[http]", "onnxruntime==1.30.0", "numpy"]
SKIPPED = 77
ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ["tiny", "identity", "chain_good"]


def make_environment(folder):
    """Path of a Python that has the client, or None with a sentence printed."""
    python = folder / "bin" / "python"
    marker = folder / "installed"
    if marker.exists() and marker.read_text() == "\n".join(PACKAGES):
        return python
    steps = [[sys.executable, "-m", "venv", "--clear", str(folder)],
             [str(python), "-m", "pip", "install", "-q", "--only-binary", ":all:", "--no-input",
              "--disable-pip-version-check", *PACKAGES]]
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=240)
        except subprocess.TimeoutExpired:
            print(f"skipped: {step[0]} did not install {', '.join(PACKAGES)} within four minutes")
            return None
        if done.returncode != 0:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            print(f"skipped: {', '.join(PACKAGES)} cannot be installed here: {last}")
            return None
    marker.write_text("\n".join(PACKAGES))
    return python


class Server:
    """`laxity serve` on the test models, from ready to asked to stop."""

    def __init__(self, binary):
        self.folder = tempfile.TemporaryDirectory(prefix="laxity-oip-")
        root = pathlib.Path(self.folder.name)
        for model in MODELS:
            shutil.copytree(ROOT / "tests" / "data" / "models" / model, root / "models" / model)
        environment = dict(os.environ, XDG_CACHE_HOME=str(root / "cache"), HOME=str(root))
        command = [binary, "serve", "--models", str(root / "models"), "--http-port", "0"]
        self.process = subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True)
        said = []
        for line in self.process.stderr:
            said.append(line)
            ready = re.search(r"ready on http://([\d.]+:\d+)", line)
            if ready:
                self.address = ready[1]
                return
        raise SystemExit("laxity serve: expected 'ready on http://…', found:\n" + "".join(said))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stderr.read()
        status = self.process.wait(timeout=30)
        self.folder.cleanup()
        return status


def reference(model, values):
    """What ONNX Runtime itself answers: {output name: array} of the last stage."""
    import onnxruntime
    folder = ROOT / "tests" / "data" / "models" / model
    files = sorted(folder.glob("**/*.onnx"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    known = None
    for file in files:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        names = [entry.name for entry in session.get_inputs()]
        feed = {names[0]: values} if known is None else {name: known[name] for name in names}
        known = dict(zip([entry.name for entry in session.get_outputs()], session.run(None, feed)))
    return known


def check(binary):
    import numpy
    import tritonclient.http as http
    from tritonclient.utils import InferenceServerException

    server = Server(binary)
    try:
        client = http.InferenceServerClient(server.address)
        assert client.is_server_live() and client.is_server_ready()
        assert client.get_server_metadata()["name"] == "laxity"
        assert {entry["name"] for entry in client.get_model_repository_index()} == set(MODELS)
        random = numpy.random.RandomState(1)
        for model in MODELS:
            assert client.is_model_ready(model) and client.is_model_ready(model, "1")
            metadata = client.get_model_metadata(model)
            assert metadata["name"] == model and metadata["versions"] == ["1"], metadata
            told = metadata["inputs"][0]
            output = metadata["outputs"][0]["name"]
            for batch, is_binary in ((1, True), (1, False), (3, True), (3, False)):
                shape = [batch if extent == -1 else extent for extent in told["shape"]]
                values = random.standard_normal(shape).astype(numpy.float32)
                tensor = http.InferInput(told["name"], shape, told["datatype"])
                tensor.set_data_from_numpy(values, binary_data=is_binary)
                wanted = [http.InferRequestedOutput(output, binary_data=is_binary)]
                answer = client.infer(model, [tensor], outputs=wanted, request_id="r7",
                                      parameters={"deadline_ms": 60000})
                assert answer.get_response()["id"] == "r7"
                assert answer.get_response()["parameters"]["outcome"] == "on_time", answer.get_response()
                expected = reference(model, values)[output]
                numpy.testing.assert_allclose(answer.as_numpy(output), expected, rtol=1e-5, atol=1e-6)
                if model == "identity":
                    numpy.testing.assert_array_equal(answer.as_numpy(output), values)
                everything = client.infer(model, [tensor], timeout=60_000_000)
                for announced in metadata["outputs"]:
                    assert everything.as_numpy(announced["name"]) is not None, announced
                numpy.testing.assert_allclose(everything.as_numpy(output), expected, rtol=1e-5, atol=1e-6)
            print(f"{model}: equal to ONNX Runtime's own answer, JSON and binary, 1 and 3 jobs")

        tensor = http.InferInput("no_such_input", [1, 2], "FP32")
        tensor.set_data_from_numpy(numpy.zeros([1, 2], numpy.float32))
        for name in ("tiny", "no_such_model"):
            try:
                client.infer(name, [tensor])
            except InferenceServerException as refused:
                assert "no_such" in str(refused), refused
            else:
                raise AssertionError(f"{name}: expected an error, found an answer")
        client.close()
    finally:
        status = server.stop()
    assert status == 0, f"expected exit status 0 after SIGTERM, found {status}"
    print("tritonclient agrees")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--venv", type=pathlib.Path)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        return check(arguments.binary)
    with tempfile.TemporaryDirectory(prefix="laxity-venv-") as temporary:
        python = make_environment((arguments.venv or pathlib.Path(temporary)).resolve())
        if python is None:
            return SKIPPED
        return subprocess.run([str(python), __file__, "--inside", arguments.binary]).returncode


if __name__ == "__main__":
    sys.exit(main())
