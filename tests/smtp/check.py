"""Tests the mail server and each of its faults with the SMTP client of the standard library."""

import json
import os
import smtplib
import ssl
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Server:
    def __init__(self, *args):
        command = [sys.executable, os.path.join(HERE, "server.py"), *args]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = self.read()["port"]

    def read(self):
        return json.loads(self.process.stdout.readline())

    def stop(self):
        """Stops the server and returns its remaining output."""
        return self.process.communicate(timeout=20)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.communicate(timeout=20)


def client(port, tls=None):
    if tls:
        return smtplib.SMTP_SSL("localhost", port, context=tls, timeout=10)
    return smtplib.SMTP("localhost", port, timeout=10)


def send(connection, to="one@example.org"):
    connection.sendmail("us@example.org", [to], "Subject: hello\r\n\r\n.a dot, ünd more\r\n".encode())


def refusal(action):
    """Returns the exception that `action` raises, or None."""
    try:
        action()
    except (smtplib.SMTPException, OSError) as error:
        return error
    return None


def plain(check, _files):
    with Server() as server, client(server.port) as connection:
        send(connection)
        mail = server.read()
        check(mail["from"] == "us@example.org" and mail["to"] == ["one@example.org"], "the envelope arrives", mail)
        check(".a dot, ünd more" in mail["data"] and not mail["tls"] and mail["user"] is None, "the data arrives", mail)


def starttls(check, files):
    with Server("--starttls", *files.args, "--auth", "me:pass:word") as server:
        with client(server.port) as connection:
            error = refusal(lambda: send(connection))
            check(isinstance(error, smtplib.SMTPSenderRefused), "no message is accepted before STARTTLS", error)
        with client(server.port) as connection:
            connection.starttls(context=files.context)
            check(isinstance(refusal(lambda: send(connection)), smtplib.SMTPSenderRefused), "no message is accepted before AUTH")
            wrong = refusal(lambda: connection.login("me", "wrong"))
            check(isinstance(wrong, smtplib.SMTPAuthenticationError), "a wrong password is rejected", wrong)
            connection.login("me", "pass:word")
            send(connection)
            mail = server.read()
            check(mail["tls"] and mail["user"] == "me", "a message is accepted after both", mail)


def tls(check, files):
    with Server("--tls", *files.args) as server, client(server.port, files.context) as connection:
        send(connection)
        check(server.read()["tls"], "a message is accepted over TLS")


def plain_auth(check, _files):
    with Server("--auth", "me:secret") as server, client(server.port) as connection:
        connection.login("me", "secret")
        send(connection)
        check(server.read()["user"] == "me", "a password is accepted without TLS if the server requires authentication")


def refuse_first(check, _files):
    with Server("--refuse-first", "2") as server, client(server.port) as connection:
        codes = []
        for _ in range(2):
            codes.append(getattr(refusal(lambda: send(connection)), "smtp_code", None))
        check(codes == [451, 451], "the first two messages are deferred", codes)
        send(connection, "third@example.org")
        check(server.read()["to"] == ["third@example.org"], "the third message is accepted")


def reject(check, _files):
    with Server("--reject") as server:
        with client(server.port) as connection:
            error = refusal(lambda: send(connection))
            check(isinstance(error, smtplib.SMTPRecipientsRefused), "every recipient is rejected", error)
            check(error.recipients["one@example.org"][0] == 550, "the rejection is permanent", error)
        check(server.stop() == "", "a rejected message is not reported")


def slow(check, _files):
    with Server("--slow", "0.2") as server:
        start = time.monotonic()
        with client(server.port) as connection:
            send(connection)
        check(time.monotonic() - start >= 1, "six replies with a delay of 0.2 s take at least 1 s")


def nonsense(check, _files):
    with Server("--nonsense") as server:
        error = refusal(lambda: client(server.port))
        check(error is not None, "no client can connect", error)


def drop(check, _files):
    with Server("--drop") as server:
        connection = client(server.port)
        error = refusal(lambda: send(connection))
        check(error is not None, "the connection is closed within a message", error)
        check(server.stop() == "", "a dropped message is not reported")


class Files:
    """A certificate for localhost, and a TLS context that trusts it."""

    def __init__(self, folder):
        certificate, key = os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem")
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate]
        subprocess.run(command.split() + names, check=True, capture_output=True)
        self.args = ["--certificate", certificate, "--key", key]
        self.context = ssl.create_default_context(cafile=certificate)


def main():
    counts = {True: 0, False: 0}

    def report(case, passed, what, details=""):
        counts[bool(passed)] += 1
        if not passed:
            print(f"FAILED: {case}: {what}: {details}")

    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder)
        for case in [plain, starttls, tls, plain_auth, refuse_first, reject, slow, nonsense, drop]:
            case(lambda *args, name=case.__name__: report(name, *args), files)
    print(f"test result: {'FAILED' if counts[False] else 'ok'}. {counts[True]} passed; {counts[False]} failed;")
    sys.exit(1 if counts[False] else 0)


if __name__ == "__main__":
    main()
