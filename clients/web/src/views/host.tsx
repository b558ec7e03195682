// SPDX-License-Identifier: Apache-2.0
//
// The machine that the daemon runs on, and what it does less for its sake.
import { Badge, Figure, Panel, Sparkline } from "../parts";
import { host } from "../store";
import { bytes, number } from "../text";
import type { Host } from "../types";
import { num } from "../types";

const hertz = (value: number) => `${number(value / 1e9, 2)} GHz`;

function Heat({ machine }: { machine: Host }) {
  const zones = machine.zones ?? [];
  return (
    <Panel title="Temperature">
      {zones.length === 0 && <p class="empty">The machine does not say.</p>}
      {zones.length > 0 && <Sparkline of="celsius" label="hottest" unit="°C" floor={20} />}
      <dl class="rows">
        {zones.map((zone) => {
          const hot = zone.passive !== undefined && num(zone.celsius) >= num(zone.passive);
          return (
            <div key={zone.name}>
              <dt>{zone.type || zone.name}</dt>
              <dd class={hot ? "bad" : ""}>
                {number(num(zone.celsius))} °C
                {zone.passive !== undefined && <small> slower from {num(zone.passive)} °C</small>}
              </dd>
            </div>
          );
        })}
      </dl>
      {machine.throttled !== undefined && (
        <p>
          {machine.throttled ? (
            <Badge tone="bad" text={`throttled: ${machine.throttled}`} />
          ) : (
            <Badge tone="good" text="not throttled" />
          )}
        </p>
      )}
    </Panel>
  );
}

function Processors({ machine }: { machine: Host }) {
  const { cpu, memory, io } = machine.pressure ?? {};
  const waits = (value: typeof cpu) => (value === undefined ? "–" : `${number(num(value))} %`);
  return (
    <Panel title="Processors">
      <dl class="figures">
        <Figure name="wait for a CPU" value={waits(cpu)} />
        <Figure name="for memory" value={waits(memory)} />
        <Figure name="for disks" value={waits(io)} />
      </dl>
      {cpu !== undefined && <Sparkline of="pressure" label="wait for a CPU" unit="%" />}
      <dl class="rows">
        {(machine.clocks ?? []).map((clock) => (
          <div key={clock.name}>
            <dt>CPU {(clock.cpus ?? []).join(", ")}</dt>
            <dd>
              {hertz(num(clock.hertz))} <small>of {hertz(num(clock.mostHertz))}</small>
            </dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}

function Memory({ machine }: { machine: Host }) {
  const limit = num(machine.memoryLimitBytes);
  const free = num(machine.memoryAvailableBytes);
  if (limit === 0) return null;
  return (
    <Panel title="Memory">
      <dl class="figures">
        <Figure name="taken" value={bytes(limit - free)} />
        <Figure name="free" value={bytes(free)} tone={free < limit / 10 ? "bad" : ""} />
      </dl>
      <meter
        min={0}
        max={limit}
        high={limit * 0.9}
        value={limit - free}
        aria-label="memory taken"
      />
      <p class="dim">
        Limit: {machine.memoryLimit}, {bytes(limit)}
      </p>
    </Panel>
  );
}

function Governor({ machine }: { machine: Host }) {
  const governor = machine.governor;
  if (!governor) return null;
  return (
    <Panel title="Governor">
      <ol class="steps">
        {(governor.steps ?? []).map((step) => (
          <li key={step.what} class={step.taken ? "busy" : ""}>
            {step.what} <small>{step.taken ? step.vain || "taken" : "not taken"}</small>
          </li>
        ))}
      </ol>
      {governor.reason && <p class="dim">{governor.reason}</p>}
    </Panel>
  );
}

export function HostView() {
  const machine = host.value;
  if (machine === null) return <p class="empty">Asking the daemon …</p>;
  const power = machine.power;
  return (
    <>
      <h1 class="hidden">Host</h1>
      <div class="cards">
        <Heat machine={machine} />
        <Processors machine={machine} />
        <Memory machine={machine} />
        <Governor machine={machine} />
        {power?.battery !== undefined && (
          <Panel title="Power">
            <dl class="figures">
              <Figure name="battery" value={number(num(power.battery))} unit="%" />
              <Figure name="from" value={power.discharging ? "battery" : "mains"} />
            </dl>
          </Panel>
        )}
      </div>
    </>
  );
}
