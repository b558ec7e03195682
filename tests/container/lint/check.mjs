// SPDX-License-Identifier: Apache-2.0
//
// Whether docker/k3s.yaml is what Kubernetes' own definitions allow, word for word, and whether it, docker/compose.yaml and
// docker/Dockerfile say the same of the image. Run by lint.sh with the folder that npm has filled.
//
//   node check.mjs ROOT
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import ts from 'typescript';
import {parse, parseAllDocuments} from 'yaml';

const GRACE_S = 40; // as in container_test.py
const root = process.argv[2];
const text = (name) => readFileSync(join(root, 'docker', name), 'utf8');
const problems = [];
const same = (what, a, b) => {
  if (JSON.stringify(a) !== JSON.stringify(b)) {
    problems.push(`${what}: ${JSON.stringify(a)} and ${JSON.stringify(b)}`);
  }
};

// Objects as literals of their types: TypeScript knows unknown, missing and misplaced keys.
const objects = parseAllDocuments(text('k3s.yaml')).map((document) => {
  problems.push(...document.errors.map((error) => `k3s.yaml: ${error.message}`));
  return document.toJS();
});
const folder = mkdtempSync(join(process.cwd(), 'check-'));
const source = join(folder, 'k3s.ts');
writeFileSync(source, objects.map((object, i) => {
  const group = object.apiVersion === 'v1' ? 'core/v1' : object.apiVersion;
  return `import {${object.kind} as Kind${i}} from 'kubernetes-types/${group}';\n` +
      `export const object${i}: Kind${i} = ${JSON.stringify(object, null, 2)};\n`;
}).join(''));
const program = ts.createProgram([source], {noEmit: true, strict: true, moduleResolution: ts.ModuleResolutionKind.Node10});
for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
  problems.push('k3s.yaml: ' + ts.flattenDiagnosticMessageText(diagnostic.messageText, ' '));
}
rmSync(folder, {recursive: true});

// One configuration, one image.
const dockerfile = text('Dockerfile').replaceAll('\\\n', ' ');
const line = (name) => dockerfile.match(new RegExp(`^${name} (.*)$`, 'm'))[1];
const config = parse(text('inferd.yaml'));
const compose = parse(text('compose.yaml')).services.inferd;
const one = (kind, name) => objects.find((object) => object.kind === kind && object.metadata.name === name);
const pod = one('Deployment', 'inferd').spec.template.spec;
const container = pod.containers[0];
const user = Number(line('USER'));
const volumes = JSON.parse(line('VOLUME'));
const health = JSON.parse(line('HEALTHCHECK').split(' CMD ')[1]);

same('inferd.yaml and the ConfigMap', text('inferd.yaml'), one('ConfigMap', 'inferd').data['inferd.yaml']);
same('USER and runAsUser', user, pod.securityContext.runAsUser);
same('USER and fsGroup', user, pod.securityContext.fsGroup);
same('volumes of Compose', volumes, compose.volumes.map((volume) => volume.split(':')[1]));
same('volumes of the pod', volumes, container.volumeMounts.map((mount) => mount.mountPath).slice(0, volumes.length));
for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
  same(`HEALTHCHECK and ${probe}`, health, container[probe].exec.command);
}
same('stop_grace_period', `${GRACE_S}s`, compose.stop_grace_period);
same('terminationGracePeriodSeconds', GRACE_S, pod.terminationGracePeriodSeconds);
same('time to stop after draining', GRACE_S - 30, config.server.drain_timeout_ms / 1000);
same('threads and cores of Compose', String(config.engine.threads), compose.deploy.resources.limits.cpus);
same('threads and cores of the pod', String(config.engine.threads), container.resources.limits.cpu);

for (const problem of problems) console.error(`docker/: ${problem}`);
process.exit(problems.length > 0 ? 1 : 0);
