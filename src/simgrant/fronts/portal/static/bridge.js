// Tells the device what became of a page, by whatever object its maker puts into web views
// (TS.43 §3.4, §6.7, §9.6, §11.6, §15.4). The page says what happened in attributes of its body; by
// then it is in the store. Without such an object nothing happens, and the page says that it may be
// closed.
(function () {
  "use strict";

  // As TS.43 spells it, then as it is found besides.
  var ODSA = ["ODSAServiceFlow", "OdsaServiceFlow", "ODSAWebServiceFlow", "OdsaWebServiceFlow"];
  var DEFAULT_SMDP = [
    "profileReadyWithDefaultSmdp", "profileReadyWithDefaultSMDP", "profileReadyWithDefaultSmDp"
  ];

  // By subject and event: object, method, values, other values to be tried where these are refused.
  // Where several names are given, the first that is there is called.
  function calls(subject, event, said) {
    if (subject === "esim") { return ofEsim(event, said); }
    var flow = {
      vowifi: "VoWiFiWebServiceFlow",
      boost: "DataBoostWebServiceFlow",
      billing: "DCBWebServiceFlow",
      satellite: "SatModeWebServiceFlow"
    }[subject];
    var bought = said.duration === undefined ? [] : [Number(said.duration)];
    if (event === "changed") {
      var changed = [[flow, "entitlementChanged", []]];
      if (subject === "vowifi") {
        // Makers that are older than TS.43's own names come last.
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
    var dismissed = event === "dismiss" ? [[flow, "dismissFlow", []]] : [];
    if (event === "dismiss" && subject === "vowifi") {
      dismissed.push(
        ["NsdsWebSheetController", "dismissFlow", []],
        ["WiFiCallingWebViewController", "cancelButtonClicked", []],
        ["WiFiCallingWebViewController", "cancelButtonPressed", []]
      );
    }
    return dismissed;
  }

  function ofEsim(event, said) {
    switch (event) {
      case "ready": return [[ODSA, "profileReadyWithActivationCode", [said.code]]];
      case "ready-at": return [[ODSA, DEFAULT_SMDP, [said.address, said.iccid]]];
      case "selected": return [[ODSA, "SelectionCompleted", [said.iccid, said.imei]]];
      case "delete":
        return [[ODSA, "deleteProfileInUse", [said.iccid, said.msisdn], [said.iccid]]];
      case "finish": return [[ODSA, "finishFlow", [], ["AcquireConfiguration"]]];
      case "dismiss": return [[ODSA, "dismissFlow", []]];
    }
    return [];
  }

  // The method in either case of its first letter: makers differ.
  function method(object, names) {
    return [].concat(names).reduce(function (all, name) {
      var first = name.charAt(0);
      var other = first === first.toLowerCase() ? first.toUpperCase() : first.toLowerCase();
      return all.concat(name, other + name.slice(1));
    }, []).filter(function (each) {
      return typeof object[each] === "function";
    })[0];
  }

  function listener(call) {
    return [].concat(call[0]).map(function (name) {
      var object = window[name];
      return object && { object: object, method: method(object, call[1]) };
    }).filter(function (each) {
      return each && each.method;
    })[0];
  }

  function tell(subject, event) {
    calls(subject, event, said).forEach(function (call) {
      var there = listener(call);
      // Android's objects know a method by how many values it takes, and refuse others.
      return there && call.slice(2).some(function (values) {
        try {
          there.object[there.method].apply(there.object, values);
          return true;
        } catch (refused) {
          // Another object may take it, and the page says that it may be closed.
          return false;
        }
      });
    });
  }

  var said = document.body.dataset;
  // A page about nothing, such as one for a handle that nobody can read: every object may close it.
  var subjects = said.subject
    ? [said.subject]
    : ["vowifi", "boost", "billing", "satellite", "esim"];
  document.querySelectorAll("[data-bridge]").forEach(function (button) {
    var event = button.dataset.bridge;
    var able = subjects.filter(function (each) { return calls(each, event, said).some(listener); });
    button.hidden = able.length === 0;
    button.addEventListener("click", function () {
      able.forEach(function (each) { tell(each, event); });
    });
  });
  if (said.call) {
    subjects.forEach(function (each) { tell(each, said.call); });
  }
})();
