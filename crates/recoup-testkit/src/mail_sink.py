"""A strict SMTP server for one conversation after the other. Prints its port, then every mail it took as a line of JSON."""

import argparse, base64, email, email.policy, json, os, socket, ssl

options = argparse.ArgumentParser()
options.add_argument("--tls", default="none")
options.add_argument("--certificates")
options.add_argument("--user")
options.add_argument("--password")
options.add_argument("--fail", default=":")
options = options.parse_args()
stage_to_fail, code = options.fail.split(":")
if options.certificates:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    folder = options.certificates
    context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))


class Conversation:
    def __init__(self, stream):
        self.stream, self.reader = stream, stream.makefile("rb")
        self.encrypted = isinstance(stream, ssl.SSLSocket)
        self.user = None

    def say(self, text):
        self.stream.sendall(text.encode() + b"\r\n")

    def fails(self, stage):
        if stage == stage_to_fail:
            self.say(code + " canary-of-the-server says no")
        return stage == stage_to_fail

    def line(self):
        line = self.reader.readline(1100)
        if not line:
            raise EOFError
        assert line.endswith(b"\r\n") and b"\n" not in line[:-2] and b"\r" not in line[:-2], line
        assert len(line) <= 1000, len(line)
        return line[:-2]

    def hold(self):
        if self.fails("greeting"):
            return
        self.say("220 sink.example ESMTP")
        greeted, sender, recipients = False, None, []
        while True:
            line = self.line().decode("ascii")
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                if self.fails("ehlo"):
                    continue
                greeted = True
                offers = ["sink.example"]
                if options.tls == "starttls" and not self.encrypted:
                    offers.append("STARTTLS")
                elif options.user:
                    offers.append("AUTH PLAIN LOGIN")
                for offer in offers[:-1]:
                    self.say("250-" + offer)
                self.say("250 " + offers[-1])
            elif verb == "QUIT":
                self.say("221 bye")
                return
            elif not greeted:
                self.say("503 EHLO first")
            elif verb == "STARTTLS" and options.tls == "starttls" and not self.encrypted:
                self.say("220 go on")
                self.stream = context.wrap_socket(self.stream, server_side=True)
                self.reader, self.encrypted, greeted = self.stream.makefile("rb"), True, False
            elif verb == "AUTH":
                if self.fails("auth"):
                    continue
                assert line.startswith("AUTH PLAIN "), line
                _, user, password = base64.b64decode(line.split(" ")[2]).split(b"\0")
                if (user.decode(), password.decode()) == (options.user, options.password):
                    self.user = user.decode()
                    self.say("235 welcome")
                else:
                    self.say("535 canary-of-the-server " + password.decode())
            elif options.user and not self.user:
                self.say("530 sign in first")
            elif options.tls == "starttls" and not self.encrypted:
                self.say("530 encrypt first")
            elif verb == "MAIL":
                if self.fails("mail"):
                    continue
                assert line.startswith("MAIL FROM:<") and ">" in line, line
                sender = line[len("MAIL FROM:<"):line.index(">")]
                self.say("250 ok")
            elif verb == "RCPT" and sender:
                if self.fails("rcpt"):
                    continue
                assert line.startswith("RCPT TO:<") and line.endswith(">"), line
                recipients.append(line[len("RCPT TO:<"):-1])
                self.say("250 ok")
            elif verb == "DATA" and recipients:
                if self.fails("data"):
                    continue
                self.say("354 go on")
                lines = []
                while (line := self.line()) != b".":
                    assert line.isascii(), "8 bits were not offered"
                    lines.append(line[1:] if line.startswith(b".") else line)
                if self.fails("end"):
                    continue
                self.take(b"\r\n".join(lines), sender, recipients)
                self.say("250 taken")
            else:
                self.say("500 what")

    def take(self, data, sender, recipients):
        mail = email.message_from_bytes(data, policy=email.policy.default)
        assert not mail.defects, mail.defects
        headers = {}
        for name, value in mail.items():
            assert name.lower() not in headers, name
            headers[name.lower()] = str(value)
        told = {"from": sender, "to": recipients, "encrypted": self.encrypted, "user": self.user}
        told |= {"headers": headers, "body": mail.get_body(("plain",)).get_content()}
        print(json.dumps(told), flush=True)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    stream, _ = listener.accept()
    try:
        if options.tls == "implicit":
            stream = context.wrap_socket(stream, server_side=True)
        Conversation(stream).hold()
    except (EOFError, OSError):
        pass
    stream.close()
