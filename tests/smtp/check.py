"""Shows that the tests' mail server is one, with the standard library's client, and that each of its faults is."""

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

    def rest(self):
        """Ends the server; what it had still to say."""
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
    """The exception an action ends with, or None."""
    try:
        action()
    except (smtplib.SMTPException, OSError) as error:
        return error
    return None


def plain(that, _files):
    with Server() as server, client(server.port) as connection:
        send(connection)
        mail = server.read()
        that(mail["from"] == "us@example.org" and mail["to"] == ["one@example.org"], "the envelope arrives", mail)
        that(".a dot, ünd more" in mail["data"] and not mail["tls"] and mail["user"] is None, "the data arrives", mail)


def starttls(that, files):
    with Server("--starttls", *files.args, "--auth", "me:pass:word") as server:
        with client(server.port) as connection:
            error = refusal(lambda: send(connection))
            that(isinstance(error, smtplib.SMTPSenderRefused), "nothing goes before STARTTLS", error)
        with client(server.port) as connection:
            connection.starttls(context=files.context)
            that(isinstance(refusal(lambda: send(connection)), smtplib.SMTPSenderRefused), "nothing goes before AUTH")
            wrong = refusal(lambda: connection.login("me", "wrong"))
            that(isinstance(wrong, smtplib.SMTPAuthenticationError), "a wrong password is refused", wrong)
            connection.login("me", "pass:word")
            send(connection)
            mail = server.read()
            that(mail["tls"] and mail["user"] == "me", "a message goes after both", mail)


def tls(that, files):
    with Server("--tls", *files.args) as server, client(server.port, files.context) as connection:
        send(connection)
        that(server.read()["tls"], "a message goes through TLS")


def plain_auth(that, _files):
    with Server("--auth", "me:secret") as server, client(server.port) as connection:
        connection.login("me", "secret")
        send(connection)
        that(server.read()["user"] == "me", "a password goes without TLS where the server wants that")


def refuse_first(that, _files):
    with Server("--refuse-first", "2") as server, client(server.port) as connection:
        codes = []
        for _ in range(2):
            codes.append(getattr(refusal(lambda: send(connection)), "smtp_code", None))
        that(codes == [451, 451], "the first two are put off", codes)
        send(connection, "third@example.org")
        that(server.read()["to"] == ["third@example.org"], "the third is taken")


def reject(that, _files):
    with Server("--reject") as server:
        with client(server.port) as connection:
            error = refusal(lambda: send(connection))
            that(isinstance(error, smtplib.SMTPRecipientsRefused), "every recipient is refused", error)
            that(error.recipients["one@example.org"][0] == 550, "for good", error)
        that(server.rest() == "", "a refused message is not reported")


def slow(that, _files):
    with Server("--slow", "0.2") as server:
        begun = time.monotonic()
        with client(server.port) as connection:
            send(connection)
        that(time.monotonic() - begun >= 1, "six answers at 0.2 s take a second at least")


def nonsense(that, _files):
    with Server("--nonsense") as server:
        error = refusal(lambda: client(server.port))
        that(error is not None, "nobody can talk to it", error)


def drop(that, _files):
    with Server("--drop") as server:
        connection = client(server.port)
        error = refusal(lambda: send(connection))
        that(error is not None, "the connection is gone in the middle of a message", error)
        that(server.rest() == "", "a dropped message is not reported")


class Files:
    """A certificate for localhost, and a client that trusts it."""

    def __init__(self, folder):
        certificate, key = os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem")
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate]
        subprocess.run(command.split() + names, check=True, capture_output=True)
        self.args = ["--certificate", certificate, "--key", key]
        self.context = ssl.create_default_context(cafile=certificate)


def main():
    counts = {True: 0, False: 0}

    def check(case, true, what, shown=""):
        counts[bool(true)] += 1
        if not true:
            print(f"FAILED: {case}: {what}: {shown}")

    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder)
        for case in [plain, starttls, tls, plain_auth, refuse_first, reject, slow, nonsense, drop]:
            case(lambda *args, name=case.__name__: check(name, *args), files)
    print(f"test result: {'FAILED' if counts[False] else 'ok'}. {counts[True]} passed; {counts[False]} failed;")
    sys.exit(1 if counts[False] else 0)


if __name__ == "__main__":
    main()
