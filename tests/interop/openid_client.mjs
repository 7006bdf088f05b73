// The certified `openid-client` as a consumer of ours. It reads what to do as JSON and prints what
// it got, as JSON; run by Node beside its modules: node openid_client.mjs.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const task = JSON.parse(readFileSync(0, "utf8"));
const place = createRequire(pathToFileURL(`${task.modules}/`)).resolve("openid-client");
const client = await import(pathToFileURL(place));
const { subtle } = globalThis.crypto;

const key = await subtle.importKey(
  "jwk",
  task.key,
  { name: "ECDSA", namedCurve: "P-256" },
  false,
  ["sign"],
);
const config = await client.discovery(
  new URL(task.issuer),
  task.client_id,
  undefined,
  client.PrivateKeyJwt({ key, kid: task.key.kid }),
  { execute: [client.allowInsecureRequests] },
);
const told = { metadata: config.serverMetadata() };

// Two legs.
told.credentials = await client.clientCredentialsGrant(config, { scope: task.two_legs });

// A backchannel request, polled until it is granted.
const begun = await client.initiateBackchannelAuthentication(config, {
  login_hint: task.login_hint,
  scope: task.scope,
});
const granted = await client.pollBackchannelAuthenticationGrant(config, begun);
told.ciba = { ...granted, claims: granted.claims() };

// It signs no backchannel requests by itself, but those of the authorization endpoint, which have
// the same claims; our server has no such endpoint as it is set here, and nothing is sent there.
const signing = new client.Configuration(
  { ...config.serverMetadata(), authorization_endpoint: `${task.issuer}/oauth2/authorize` },
  task.client_id,
);
client.allowInsecureRequests(signing);
const asked = { login_hint: task.other_hint, scope: task.scope };
const signedKey = { key, kid: task.key.kid };
const url = await client.buildAuthorizationUrlWithJAR(signing, asked, signedKey);
const signed = { request: url.searchParams.get("request") };
const waiting = await client.initiateBackchannelAuthentication(config, signed);
const signedGrant = await client.pollBackchannelAuthenticationGrant(config, waiting);
told.signed_ciba = { ...signedGrant, claims: signedGrant.claims() };
try {
  await client.initiateBackchannelAuthentication(config, signed);
} catch (error) {
  told.replayed = { error: error.error, status: error.status };
}

// JWT-bearer: the assertion is made here, as an aggregator's server does.
const b64 = (value) => Buffer.from(value).toString("base64url");
const now = Math.floor(Date.now() / 1000);
const head = b64(JSON.stringify({ alg: "ES256", kid: task.key.kid }));
const body = b64(
  JSON.stringify({
    iss: task.client_id,
    sub: task.assertion_sub,
    aud: config.serverMetadata().token_endpoint,
    iat: now,
    exp: now + 300,
    jti: client.randomNonce(),
    scope: task.scope.replace("openid ", ""),
  }),
);
const data = new TextEncoder().encode(`${head}.${body}`);
const signature = await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, data);
told.bearer = await client.genericGrantRequest(
  config,
  "urn:ietf:params:oauth:grant-type:jwt-bearer",
  { assertion: `${head}.${body}.${b64(signature)}` },
);

// A token that is bound to a key, used at an API, looked at and revoked.
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
const bound = await client.clientCredentialsGrant(config, { scope: task.two_legs }, { DPoP });
told.dpop = bound;
const answer = await client.fetchProtectedResource(
  config,
  bound.access_token,
  new URL(`${task.issuer}/sim-swap/v2/check`),
  "POST",
  JSON.stringify({ phoneNumber: task.number }),
  new Headers({ "content-type": "application/json" }),
  { DPoP },
);
told.api = { status: answer.status, body: await answer.json() };
told.active = await client.tokenIntrospection(config, bound.access_token);
await client.tokenRevocation(config, bound.access_token);
told.revoked = await client.tokenIntrospection(config, bound.access_token);

// What is refused is an error that it can read.
try {
  await client.clientCredentialsGrant(config, { scope: "nothing" });
} catch (error) {
  told.refused = { error: error.error, status: error.status };
}
console.log(JSON.stringify(told));
