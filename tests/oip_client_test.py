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

PACKAGES = ["tritonclient[http]==2.73.0", "onnxruntime==1.30.0", "numpy==2.4.6"]
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


def reference(model, inputs):
    """What ONNX Runtime itself answers to {input name: array}: {output name: array} of the last stage."""
    import onnxruntime
    folder = ROOT / "tests" / "data" / "models" / model
    files = sorted(folder.glob("**/*.onnx"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    known = inputs
    for file in files:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        names = [entry.name for entry in session.get_inputs()]
        feed = {name: known[name] for name in names}
        known = dict(zip([entry.name for entry in session.get_outputs()], session.run(None, feed)))
    return known


def draw(random, tensor, batch):
    """Random values for one input as the metadata announces it."""
    import numpy
    from tritonclient.utils import triton_to_np_dtype
    shape = [batch if extent == -1 else extent for extent in tensor["shape"]]
    values = random.standard_normal(shape) * 10
    kind = numpy.dtype(triton_to_np_dtype(tensor["datatype"]))
    if kind.kind == "u":
        values = numpy.abs(values)
    return (values > 0 if kind.kind == "b" else values).astype(kind)


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
            outputs = [entry["name"] for entry in metadata["outputs"]]
            for batch, is_binary in ((1, True), (1, False), (3, True), (3, False)):
                inputs = {entry["name"]: draw(random, entry, batch) for entry in metadata["inputs"]}
                tensors = []
                for entry in metadata["inputs"]:
                    values = inputs[entry["name"]]
                    tensors.append(http.InferInput(entry["name"], list(values.shape), entry["datatype"]))
                    tensors[-1].set_data_from_numpy(values, binary_data=is_binary)
                expected = reference(model, inputs)
                wanted = [http.InferRequestedOutput(name, binary_data=is_binary) for name in outputs]
                answer = client.infer(model, tensors, outputs=wanted, request_id="r7",
                                      parameters={"deadline_ms": 60000})
                assert answer.get_response()["id"] == "r7"
                assert answer.get_response()["parameters"]["outcome"] == "on_time", answer.get_response()
                everything = client.infer(model, tensors, timeout=60_000_000)
                for name in outputs:
                    assert everything.as_numpy(name) is not None, name
                    if name not in expected:  # added by post-processing
                        continue
                    for found in (answer.as_numpy(name), everything.as_numpy(name)):
                        numpy.testing.assert_allclose(found, expected[name], rtol=1e-5, atol=1e-6)
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
