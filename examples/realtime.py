"""Write down a WAV file as if it were spoken now: python examples/realtime.py speech.wav"""

import asyncio
import sys
import wave

from cfai import Ai, RealtimeSession


async def speak(session: RealtimeSession, file: wave.Wave_read, rate: int) -> None:
    while samples := file.readframes(rate // 10):
        await session.send_audio(samples)
        await asyncio.sleep(0.1)
    await session.finish()


async def main(path: str) -> None:
    with wave.open(path) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2), "the file must have one channel and 16-bit samples"
        rate = file.getframerate()
        async with Ai() as ai, ai.arealtime("@cf/deepgram/flux", encoding="linear16", sample_rate=rate) as session:
            speaking = asyncio.create_task(speak(session, file, rate))
            async for event in session:
                if event.text:  # all words of the turn so far
                    print(f"\r{event.text}", end="\n" if event.is_final_text else "", flush=True)
            await speaking


asyncio.run(main(sys.argv[1]))
