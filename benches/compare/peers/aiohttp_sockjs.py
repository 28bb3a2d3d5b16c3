"""Echo by aiohttp's sockjs, with its defaults. Prints its port."""
import socket

import sockjs
from aiohttp import web


async def echo(manager, session, message):
    if message.type == sockjs.MsgType.MESSAGE:
        session.send(message.data)


listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
application = web.Application()
sockjs.add_endpoint(application, echo, name="echo", prefix="/echo/")
print(listener.getsockname()[1], flush=True)
web.run_app(application, sock=listener, print=None, access_log=None)
