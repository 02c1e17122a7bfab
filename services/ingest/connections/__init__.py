"""Connections that ingest opens: telegrams of P1 ports, and registers by Modbus TCP.

What is fetched goes into the inbox of ingest's own source, so that one pipeline takes it with what
brokers bring.

- :mod:`.hosts`: which hosts may be connected to; :mod:`.endpoints`: which devices are behind one.
- :mod:`.p1_stream`: telegrams out of bytes; :mod:`.p1`: one connection to a P1 port.
- :mod:`.requests`: which registers are read at once; :mod:`.modbus`: one connection to a gateway.
- :mod:`.outlet`: what is handed over, and who is online; :mod:`.keeping`: one connection after the
  other.
- :mod:`.door`: the thread; :mod:`.composition`: settings -> the door.
- :mod:`.once`: one answer of one device, for whoever tries a file.
"""
