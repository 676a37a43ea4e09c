"""A participant without a browser: speaks the app's own WebSocket, so that many fit on one machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

from pages._ui.study import words

Element = Any
DONE, EARLY = ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_EARLY_FOR_RERUN


class Visitor:
    """One tab. query: of the address; frames: every message that came, as bytes."""

    def __init__(self, port: int, query: Mapping[str, str], *, page: str = "study", wait_s: float = 120) -> None:
        self.port, self.page, self.wait_s = port, page, wait_s
        self.query = urlencode(query)
        self.frames: list[bytes] = []
        self.elements: list[Element] = []
        self.page_hash = ""
        self.open = ExitStack()
        self.socket: ClientConnection = self._connect()
        self.run()

    def _connect(self) -> ClientConnection:
        address = f"localhost:{self.port}"
        connecting = connect(
            f"ws://{address}/_stcore/stream", subprotocols=["streamlit"], max_size=None, origin=f"http://{address}",
            open_timeout=self.wait_s, close_timeout=1,
        )  # fmt: skip
        return self.open.enter_context(connecting)

    def close(self) -> None:
        self.open.close()

    def reload(self) -> None:
        """As F5: a new session at the same address."""
        self.close()
        self.socket = self._connect()
        self.page_hash = ""
        self.run()

    def run(self, *widgets: WidgetState) -> None:
        """Ask for a run of the page with what was pressed, and read until it has ended."""
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_script_hash = self.page_hash
        message.rerun_script.page_name = "" if self.page_hash else self.page
        message.rerun_script.widget_states.widgets.extend(widgets)
        self.socket.send(message.SerializeToString())
        self._read()

    def _read(self) -> None:
        while True:
            frame = self.socket.recv(timeout=self.wait_s)
            assert isinstance(frame, bytes)
            self.frames.append(frame)
            message = ForwardMsg.FromString(frame)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.elements = []
                self.page_hash = message.new_session.page_script_hash or self.page_hash
            elif kind == "navigation":
                self.page_hash = message.navigation.page_script_hash or self.page_hash
            elif kind == "page_info_changed":
                self.query = message.page_info_changed.query_string
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self.elements.append(message.delta.new_element)
            elif kind == "script_finished" and message.script_finished == DONE:
                return

    # ---- what is on the page -------------------------------------------------------------------------------------

    @property
    def token(self) -> str:
        return parse_qs(self.query)["p"][0]

    def of(self, kind: str) -> Iterator[Any]:
        for element in self.elements:
            if element.WhichOneof("type") == kind:
                yield getattr(element, kind)

    @property
    def text(self) -> str:
        found = [one.body for one in self.of("markdown")] + [one.body for one in self.of("alert")]
        return "\n".join(found)

    def component(self, name: str) -> Any | None:
        return next((one for one in self.of("bidi_component") if one.component_name.endswith(name)), None)

    @property
    def trial(self) -> dict[str, Any] | None:
        """What the browser was given of the trial that is shown."""
        found = self.component("study_pictures")
        return None if found is None else json.loads(found.json or found.mixed.json)

    # ---- what a person does --------------------------------------------------------------------------------------

    def press(self, key: str, *others: WidgetState) -> None:
        button = next(one for one in self.of("button") if one.id.endswith(f"-{key}"))
        self.run(*others, WidgetState(id=button.id, trigger_value=True))

    def tick(self, key: str) -> WidgetState:
        box = next(one for one in self.of("checkbox") if one.id.endswith(f"-{key}"))
        return WidgetState(id=box.id, bool_value=True)

    def pick(self, key: str, option: str) -> WidgetState:
        radio = next(one for one in self.of("radio") if one.id.endswith(f"-{key}"))
        return WidgetState(id=radio.id, string_value=option)

    def send(self, name: str, event: str, value: Any) -> None:
        found = self.component(name)
        assert found is not None, self.text
        trigger = f"$$STREAMLIT_INTERNAL_KEY_{found.id}__events"
        self.run(WidgetState(id=trigger, json_trigger_value=json.dumps([{"event": event, "value": value}])))

    def answer(self, choice: int, rt_ms: float = 1500) -> None:
        assert self.trial is not None, self.text
        sent = {"index": self.trial["index"], "choice": choice, "rt_ms": rt_ms, "method": "pointer", "blurs": 0}
        self.send("study_pictures", "answer", sent)

    def walk_to_trials(self, question: str = "most_similar_pair") -> None:
        """From the welcome to the first counted trial."""
        self.press("begin")
        self.press("consent", self.tick("agreed"))
        self.send("study_screen", "width", 1200)
        self.press("read")
        while self.trial is not None:
            self.answer(1)
            self.press("read_on")
        form = words.FORMS[question]  # type: ignore[index]
        look = self.pick("look0", words.LOOK_CHOICES[words.LOOK_RIGHT])
        self.press("check0", look, self.pick("choose0", form.check[words.CHOOSE_RIGHT]))
        assert self.trial is not None, self.text
