// Anthropic's SDK for TypeScript against the built router.
//
// Usage: node sdk.mjs FOLDER_OF_NODE_MODULES ROUTER_URL

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const [folder, baseURL] = process.argv.slice(2);
const { default: Anthropic } = createRequire(path.resolve(folder, "x.js"))("@anthropic-ai/sdk");
const client = new Anthropic({ apiKey: "dummy", baseURL, maxRetries: 0 });
const ask = { model: "claude-sonnet-4-6", max_tokens: 100 };

const answer = await client.messages.create({ ...ask, messages: [{ role: "user", content: "héllo" }] });
assert.equal(answer.content[0].text.trim(), "seen: héllo");
assert.deepEqual([answer.stop_reason, answer.usage.input_tokens, answer.usage.output_tokens], ["end_turn", 12, 3]);

const tools = [{ name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } }];
const messages = [{ role: "user", content: "use the tool" }];
const stream = client.messages.stream({ ...ask, messages, tools });
const kinds = [];
stream.on("streamEvent", (event) => kinds.push(event.type));
const called = await stream.finalMessage();
const call = called.content.find((block) => block.type === "tool_use");
assert.deepEqual([call.name, call.input, called.stop_reason], ["weather", { city: "Zürich" }, "tool_use"]);
assert.equal(kinds.at(0), "message_start");
assert.equal(kinds.at(-1), "message_stop");

const result = { type: "tool_result", tool_use_id: call.id, content: "sunny" };
const turn = [...messages, { role: "assistant", content: called.content }, { role: "user", content: [result] }];
const last = await client.messages.stream({ ...ask, messages: turn, tools }).finalMessage();
assert.equal(last.content[0].text.trim(), "seen: result sunny");
await assert.rejects(client.messages.create({ ...ask, messages: [{ role: "nobody", content: "x" }] }), Anthropic.BadRequestError);
