// SPDX-License-Identifier: Apache-2.0
import { render } from "preact";
import { App } from "./app";
import { pollForEver } from "./store";

pollForEver();
render(<App />, document.getElementById("app") as HTMLElement);
