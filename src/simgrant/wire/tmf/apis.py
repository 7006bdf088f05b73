"""Which APIs there are, and where they usually are found."""

from __future__ import annotations

from simgrant.nouns import Word


class Api(Word):
    """An API; the value is the path that its addresses usually begin with."""

    EVENT = "/tmf-api/event/v4"
    """TMF688."""
    OFFERING = "/tmf-api/productCatalogManagement/v4"
    """TMF620."""
    ORDER = "/tmf-api/productOrderingManagement/v4"
    """TMF622."""
    PRODUCT = "/tmf-api/productInventory/v4"
    """TMF637."""
    SERVICE = "/tmf-api/serviceInventory/v4"
    """TMF638."""
    RESOURCE = "/tmf-api/resourceInventoryManagement/v4"
    """TMF639."""
    ACTIVATION = "/tmf-api/ServiceActivationAndConfiguration/v4"
    """TMF640."""
    ADDRESS = "/tmf-api/geographicAddressManagement/v4"
    """TMF673."""
    QUALIFICATION = "/tmf-api/productOfferingQualification/v4"
    """TMF679."""
