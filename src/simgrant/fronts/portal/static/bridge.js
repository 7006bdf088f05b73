// Tells the device what became of a page, by whatever object its maker puts into web views
// (TS.43 §3.4, §9.6, §11.6, §15.4). The page says what happened in attributes of its body; by then
// it is in the store. Without such an object nothing happens, and the page says that it may be closed.
(function () {
  "use strict";

  // By subject and event: object, method, arguments. Makers that are older than TS.43's own names
  // come last.
  function calls(subject, event, duration) {
    var flow = {
      vowifi: "VoWiFiWebServiceFlow",
      boost: "DataBoostWebServiceFlow",
      billing: "DCBWebServiceFlow",
      satellite: "SatModeWebServiceFlow"
    }[subject];
    var bought = duration === null ? [] : [duration];
    if (event === "changed") {
      var changed = [[flow, "entitlementChanged", []]];
      if (subject === "vowifi") {
        changed.push(
          ["NsdsWebSheetController", "entitlementChanged", []],
          ["WiFiCallingWebViewController", "phoneServicesAccountStatusChanged", [true]],
          ["WiFiCallingWebViewController", "CloseWebView", []]
        );
      }
      return changed;
    }
    if (event === "bought") {
      return [
        [flow, "notifyPurchaseSuccessful", bought],
        ["SlicePurchaseWebInterface", "notifyPurchaseSuccessful", bought],
        ["SliceStoreWebInterface", "notifyPurchaseSuccessful", bought]
      ];
    }
    if (event === "failed") {
      // 0 is "unknown" for TS.43 and for Android, which number the rest each in their own way.
      return [
        [flow, "notifyPurchaseFailed", [0, "not available"]],
        ["SlicePurchaseWebInterface", "notifyPurchaseFailed", [0, "not available"]],
        ["SliceStoreWebInterface", "notifyPurchaseFailed", [0, "not available"]]
      ];
    }
    var dismissed = [[flow, "dismissFlow", []]];
    if (subject === "vowifi") {
      dismissed.push(
        ["NsdsWebSheetController", "dismissFlow", []],
        ["WiFiCallingWebViewController", "cancelButtonClicked", []],
        ["WiFiCallingWebViewController", "cancelButtonPressed", []]
      );
    }
    return dismissed;
  }

  // The method in either case of its first letter: makers differ.
  function method(object, name) {
    var first = name.charAt(0);
    var other = first === first.toLowerCase() ? first.toUpperCase() : first.toLowerCase();
    return [name, other + name.slice(1)].filter(function (each) {
      return typeof object[each] === "function";
    })[0];
  }

  function tell(subject, event, duration) {
    calls(subject, event, duration).forEach(function (call) {
      var object = window[call[0]];
      var name = object && method(object, call[1]);
      if (name) {
        try {
          object[name].apply(object, call[2]);
        } catch (refused) {
          // Another object may take it, and the page says that it may be closed.
        }
      }
    });
  }

  function listens(subject, event) {
    return calls(subject, event, null).some(function (call) {
      return window[call[0]] && method(window[call[0]], call[1]);
    });
  }

  var said = document.body.dataset;
  // A page about nothing, such as one for a handle that nobody can read: every object may close it.
  var subjects = said.subject ? [said.subject] : ["vowifi", "boost", "billing", "satellite"];
  document.querySelectorAll("[data-bridge]").forEach(function (button) {
    var event = button.dataset.bridge;
    var able = subjects.filter(function (each) { return listens(each, event); });
    button.hidden = able.length === 0;
    button.addEventListener("click", function () {
      able.forEach(function (each) { tell(each, event, null); });
    });
  });
  if (said.call) {
    var duration = said.duration === undefined ? null : Number(said.duration);
    subjects.forEach(function (each) { tell(each, said.call, duration); });
  }
})();
