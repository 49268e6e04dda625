"""A real mail server for the tests, with the faults of real mail servers.

    server.py [--port 0] [--ascii] [--certificate FILE --key FILE (--starttls | --tls)] [--auth USER:PASSWORD] [FAULT]

Prints {"port": N} once it listens on 127.0.0.1, and then one line of JSON for each accepted message:
{"from": "...", "to": ["..."], "data": "...", "hello": "...", "tls": true, "user": "..."}. Exits when its standard input
ends. With --keywords, the extensions in the reply to EHLO are in lower case, or AUTH has its old form (AUTH=LOGIN PLAIN).

Faults, at most one:
    --refuse-first N    replies 451 to the first N messages
    --reject            replies 550 to every recipient
    --reject-sender     replies 553 to every sender
    --reject-hello      replies 504 to EHLO
    --slow SECONDS      delays the reply to each command and each message
    --nonsense          replies to every line with data that is not SMTP
    --drop              closes the connection within every message
"""

import argparse
import asyncio
import errno
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

# How often, and how many seconds apart, the server tries a port that is in use. The tests wait 30 s for its first line.
PORT_ATTEMPTS, PORT_PAUSE = 100, 0.25

def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ascii", action="store_true", help="do not offer SMTPUTF8")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--keywords", choices=["upper", "lower", "old"], default="upper")
    parser.add_argument("--auth", metavar="USER:PASSWORD")
    secured = parser.add_mutually_exclusive_group()
    secured.add_argument("--starttls", action="store_true", help="require STARTTLS")
    secured.add_argument("--tls", action="store_true", help="use TLS from the first byte")
    faults = parser.add_mutually_exclusive_group()
    faults.add_argument("--refuse-first", type=int, default=0, metavar="N")
    faults.add_argument("--reject", action="store_true")
    faults.add_argument("--reject-sender", action="store_true")
    faults.add_argument("--reject-hello", action="store_true")
    faults.add_argument("--slow", type=float, default=0, metavar="SECONDS")
    faults.add_argument("--nonsense", action="store_true")
    faults.add_argument("--drop", action="store_true")
    args = parser.parse_args()
    if (args.starttls or args.tls) and not (args.certificate and args.key):
        parser.error("--starttls and --tls need --certificate and --key")
    return args


def report(**line):
    print(json.dumps(line), flush=True)


class Handler:
    """Accepts, defers or rejects messages; aiosmtpd handles the protocol."""

    def __init__(self, args):
        self.args = args
        self.refusals = args.refuse_first

    async def handle_RCPT(self, server, session, envelope, address, _options):
        if self.args.reject:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.refusals > 0:
            self.refusals -= 1
            return "451 4.3.2 try again later"
        report(
            **{"from": envelope.mail_from, "to": envelope.rcpt_tos},
            data=envelope.content.decode("utf-8", "replace"),
            hello=session.host_name,
            tls=session.ssl is not None or self.args.tls,
            user=session.auth_data.login.decode() if session.auth_data else None,
        )
        return "250 2.0.0 accepted"


class Faulty(SMTP):
    """The server of aiosmtpd with delayed replies and dropped connections."""

    def __init__(self, handler, args, **settings):
        self.args = args
        super().__init__(handler, hostname="localhost", enable_SMTPUTF8=not args.ascii, **settings)

    async def push(self, status):
        await asyncio.sleep(self.args.slow)
        if self.args.keywords == "lower" and status.startswith("250"):
            status = status.lower()
        if self.args.keywords == "old":
            status = status.replace("250-AUTH ", "250-AUTH=")
        await super().push(status)

    async def smtp_EHLO(self, hostname):
        if self.args.reject_hello:
            return await self.push("504 5.5.2 need a fully-qualified host name")
        await super().smtp_EHLO(hostname)

    async def smtp_MAIL(self, arg):
        if self.args.reject_sender:
            return await self.push("553 5.7.1 sender not owned by this account")
        await super().smtp_MAIL(arg)

    async def smtp_DATA(self, arg):
        if self.args.drop:
            await self.push("354 go on")
            await self._reader.readline()
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


class Nonsense(asyncio.Protocol):
    """Sends data that is not SMTP."""

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"HTTP/1.1 200 OK\r\n")

    def data_received(self, data):
        self.transport.write(b"\x00\xffmumble\r\n" * max(1, data.count(b"\n")))


def protocol(args, context):
    if args.nonsense:
        return Nonsense
    settings = {}
    if args.starttls:
        settings |= {"tls_context": context, "require_starttls": True}
    if args.auth:
        user, _, password = args.auth.partition(":")
        expected = LoginPassword(user.encode(), password.encode())

        def authenticate(server, session, envelope, mechanism, credentials):
            return AuthResult(success=credentials == expected, handled=False, auth_data=credentials)

        # Without --starttls a password is accepted without TLS, as some real servers do.
        settings |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": args.starttls}
    handler = Handler(args)
    return lambda: Faulty(handler, args, **settings)


async def listen(loop, factory, port, context):
    """Listens on the port. A test that starts a server again on its port waits until no other process has it."""
    for _ in range(PORT_ATTEMPTS):
        try:
            return await loop.create_server(factory, "127.0.0.1", port, ssl=context)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        await asyncio.sleep(PORT_PAUSE)
    raise TimeoutError(f"port {port} stayed in use for {PORT_ATTEMPTS * PORT_PAUSE:.0f} s")


async def main():
    args = arguments()
    # Hides the warnings about unsafe settings, which this server uses on purpose.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    context = None
    if args.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(args.certificate, args.key)
    loop = asyncio.get_running_loop()
    factory = protocol(args, context)
    server = await listen(loop, factory, args.port, context if args.tls else None)
    report(port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
