"""The names and numbers of TS.43 that code uses.

Each enum has a row a value in ``tables/*.toml`` or in a service's own table; a
test keeps both equal, so a value is never added in one place only.
"""

from __future__ import annotations

from simgrant.nouns import Number, Word


class AppId(Word):
    """The applications of TS.43 §2.3, by name."""

    VOICE_OVER_CELLULAR = "ap2003"
    VOWIFI = "ap2004"
    SMSOIP = "ap2005"
    ODSA_COMPANION = "ap2006"
    ODSA_PRIMARY = "ap2009"
    DATA_PLAN = "ap2010"
    ODSA_SERVER_INITIATED = "ap2011"
    CARRIER_BILLING = "ap2012"
    PRIVATE_IDENTITY = "ap2013"
    DEVICE_INFORMATION = "ap2014"
    APP_AUTHENTICATION = "ap2015"
    SATMODE = "ap2016"


class EntitlementStatus(Number):
    """TS.43 Table 14: what the device may do with the service."""

    DISABLED = 0
    ENABLED = 1
    INCOMPATIBLE = 2
    PROVISIONING = 3


class AddrStatus(Number):
    """TS.43 Table 16: the emergency address."""

    NOT_AVAILABLE = 0
    AVAILABLE = 1
    NOT_REQUIRED = 2
    IN_PROGRESS = 3


class TcStatus(Number):
    """TS.43 Table 17: the terms and conditions."""

    NOT_AVAILABLE = 0
    AVAILABLE = 1
    NOT_REQUIRED = 2
    IN_PROGRESS = 3


class ProvStatus(Number):
    """TS.43 Table 18: provisioning of the service in the network."""

    NOT_PROVISIONED = 0
    PROVISIONED = 1
    NOT_REQUIRED = 2
    IN_PROGRESS = 3


class AccessType(Number):
    """TS.43 Table 21: the radio access of a voice entry."""

    LTE = 1
    NG_RAN = 2


class HomeRoamingNwType(Number):
    """TS.43 Table 21: where a voice entry holds."""

    ALL = 1
    HOME = 2
    ROAMING = 3


class IratCapability(Word):
    """TS.43 Table 21: how a call gets to another radio access."""

    EPS_FALLBACK = "EPS-Fallback"
    SRVCC_5G = "5G-SRVCC"
    SRVCC_4G = "4G-SRVCC"


class DataAccessType(Number):
    """TS.43 §9.1.1: the access of a data plan; other numbers than those of `AccessType`."""

    ALL = 0
    WIFI = 1
    RAT_2G = 2
    RAT_3G = 3
    LTE = 4
    NG_RAN = 5


class DataPlanType(Word):
    """TS.43 §9.1.1: whether data use is counted."""

    METERED = "Metered"
    UNMETERED = "Unmetered"


class BoostTypeStatus(Number):
    """TS.43 §9.1.2: whether the device may offer a boost."""

    DISABLED = 0
    ENABLED = 1
    INCOMPATIBLE = 2


class DataUsageType(Number):
    """TS.43 §9.1.3: what a counter counts."""

    CELLULAR = 0
    TETHERING = 1


class SaStatus(Number):
    """TS.43 §9.1.4: 5G standalone for this device."""

    DISABLED = 0
    ENABLED = 1


class BoostEntitlementStatus(Number):
    """TS.43 §9.9: the answer to a boost asked for in real time."""

    DISABLED = 0
    ENABLED = 1
    INCOMPATIBLE = 2
    PROVISIONING = 3
    INCLUDED = 4


class BoostProvStatus(Number):
    """TS.43 §9.9: how far the network is with a boost."""

    NOT_PROVISIONED = 0
    PROVISIONED = 1
    NOT_AVAILABLE = 2
    IN_PROGRESS = 3


class TcOperation(Number):
    """TS.43 §11.1.2: how the subscriber is best asked for the terms."""

    WEBSHEET = 1
    MSG = 2


class MsgButton(Number):
    """TS.43 §11.1.3, MSG_btn: what the subscriber pressed in a dialogue."""

    REJECTED = 0
    ACCEPTED = 1


class ServiceType(Word):
    """TS.43 §15.2: what a satellite network carries besides messages."""

    DATA = "data"
    VOICE = "voice"


class ServicePolicy(Word):
    """TS.43 §15.2: how much of it."""

    CONSTRAINED = "Constrained"
    UNCONSTRAINED = "Unconstrained"


class NotifAction(Number):
    """TS.43 Table 4: how the device wants to be notified (5 is v13's, kept but unserved)."""

    DISABLE = 0
    GCM = 1
    FCM = 2
    WNS = 3
    APNS = 4
    SNC = 5


class OperationResult(Number):
    """TS.43 §6.5.1: how an operation ended."""

    SUCCESS = 1
    GENERAL_ERROR = 100
    INVALID_OPERATION = 101
    INVALID_PARAMETER = 102
    NOT_SUPPORTED = 103
    INVALID_MSG_RESPONSE = 104


class Eligibility(Number):
    """TS.43 §6.5.2: whether the application may be offered on the device."""

    DISABLED = 0
    ENABLED = 1
    INCOMPATIBLE = 2


class OperationType(Number):
    """TS.43 §6.2: what ManageSubscription and ManageService are to do."""

    SUBSCRIBE = 0
    UNSUBSCRIBE = 1
    CHANGE = 2
    TRANSFER = 3
    UPDATE = 4
    ACTIVATE = 5
    DEACTIVATE = 6
    RECOVER = 7
    ACTIVATE_SERVICE = 10
    DEACTIVATE_SERVICE = 11


class SubscriptionResult(Number):
    """TS.43 §6.5.3: what the device does next."""

    CONTINUE_TO_WEBSHEET = 1
    DOWNLOAD_PROFILE = 2
    DONE = 3
    DELAYED_DOWNLOAD = 4
    DISMISS = 5
    DELETE_PROFILE_IN_USE = 6
    REDOWNLOADABLE_PROFILE_IS_MANDATORY = 7
    REQUIRES_USER_INPUT = 8


class ServiceStatus(Number):
    """TS.43 §6.5.4: the state of the service on the device."""

    ACTIVATED = 1
    ACTIVATING = 2
    DEACTIVATED = 3
    DEACTIVATED_NO_REUSE = 4


class SimIdType(Number):
    """TS.43 §6.5.11: by what a subscriber is told apart."""

    IMSI = 0
    UUID = 1
    IMSI_HASH = 2


class PrivateUserIdType(Number):
    """TS.43 §12.1.2: what kind of identity a Wi-Fi network gets in the IMSI's place."""

    PSEUDONYM = 1
    OTHER = 2


class RegisterNotifStatus(Number):
    """TS.43 Table 12: what became of a notif_token."""

    SUCCESS = 0
    INVALID_TOKEN = 1
    DUPLICATE_TOKEN = 2
