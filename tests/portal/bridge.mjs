// Runs the portal's script as a page would, with the objects that a maker offers, and prints what
// it called. Takes the script's file and, as JSON, the page's data, the objects' methods, whether
// the button is pressed, which object throws, how many values all methods take.
import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";

const [, , file, given] = process.argv;
const { data, objects, button, throws, takes } = JSON.parse(given);
const calls = [];
const window = {};
for (const [name, methods] of Object.entries(objects)) {
  window[name] = {};
  for (const method of methods) {
    window[name][method] = function (...values) {
      // As Android's objects do.
      if (takes !== null && values.length !== takes) throw new Error("Method not found");
      calls.push([name, method, values, this === window[name]]);
      if (throws === name) throw new Error("a maker's own");
    };
  }
}
let pressed = null;
const buttons = button
  ? [{ dataset: { bridge: button }, hidden: true, addEventListener: (_, act) => { pressed = act; } }]
  : [];
const document = { body: { dataset: data }, querySelectorAll: () => buttons };
runInNewContext(readFileSync(file, "utf-8"), { window, document });
if (pressed && !buttons[0].hidden) pressed();
console.log(JSON.stringify({ calls, hidden: buttons.length ? buttons[0].hidden : null }));
