"""TM Forum Open APIs, version 4, as far as an entitlement server and its simulator speak them."""
