"""A member's part of a stream: a new connection to the coordinator, joined to the port of a job here."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass

import aiohttp

from homecluster.agent.addresses import Address, url, why
from homecluster.agent.channel import Channel
from homecluster.agent.listener import DialJob
from homecluster.agent.messages import Dial, NoStream
from homecluster.agent.streams import CHUNK_BYTES, pump
from homecluster.errors import HomeclusterError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bringer:
    """Brings streams to one connection's coordinator."""

    address: Address
    session: aiohttp.ClientSession
    context: ssl.SSLContext
    dial_job: DialJob

    async def bring(self, channel: Channel, dial: Dial) -> None:
        """Until the stream ends; the coordinator is told when there is no such job."""
        try:
            reader, writer = await self.dial_job(dial.job)
        except (HomeclusterError, OSError) as error:
            await channel.say(NoStream(stream=dial.stream, reason=str(error)))
            return
        try:
            far = await self.session.ws_connect(
                f"{url(self.address, 'stream')}?id={dial.stream}",
                ssl=self.context,
                compress=0,
                max_msg_size=2 * CHUNK_BYTES,
            )
        except (aiohttp.ClientError, OSError) as error:
            log.warning("no stream to the coordinator: %s", why(error))
            writer.close()
            return
        await pump(reader, writer, far)
