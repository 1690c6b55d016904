"""What customers want: the 77 intents of the data set, and what the bank does about each of them.

The table is ours, not the data set's. Most questions are answered with an article; what touches cards, money or access
has an action of its own. Two intents that lead to the same action with the same arguments may be confused without harm,
which is why errors are counted by what would have been done and not by the intent.
"""

from types import MappingProxyType
from typing import Literal, TypeAlias

Intent: TypeAlias = Literal[
    "Refund_not_showing_up",
    "activate_my_card",
    "age_limit",
    "apple_pay_or_google_pay",
    "atm_support",
    "automatic_top_up",
    "balance_not_updated_after_bank_transfer",
    "balance_not_updated_after_cheque_or_cash_deposit",
    "beneficiary_not_allowed",
    "cancel_transfer",
    "card_about_to_expire",
    "card_acceptance",
    "card_arrival",
    "card_delivery_estimate",
    "card_linking",
    "card_not_working",
    "card_payment_fee_charged",
    "card_payment_not_recognised",
    "card_payment_wrong_exchange_rate",
    "card_swallowed",
    "cash_withdrawal_charge",
    "cash_withdrawal_not_recognised",
    "change_pin",
    "compromised_card",
    "contactless_not_working",
    "country_support",
    "declined_card_payment",
    "declined_cash_withdrawal",
    "declined_transfer",
    "direct_debit_payment_not_recognised",
    "disposable_card_limits",
    "edit_personal_details",
    "exchange_charge",
    "exchange_rate",
    "exchange_via_app",
    "extra_charge_on_statement",
    "failed_transfer",
    "fiat_currency_support",
    "get_disposable_virtual_card",
    "get_physical_card",
    "getting_spare_card",
    "getting_virtual_card",
    "lost_or_stolen_card",
    "lost_or_stolen_phone",
    "order_physical_card",
    "passcode_forgotten",
    "pending_card_payment",
    "pending_cash_withdrawal",
    "pending_top_up",
    "pending_transfer",
    "pin_blocked",
    "receiving_money",
    "request_refund",
    "reverted_card_payment?",
    "supported_cards_and_currencies",
    "terminate_account",
    "top_up_by_bank_transfer_charge",
    "top_up_by_card_charge",
    "top_up_by_cash_or_cheque",
    "top_up_failed",
    "top_up_limits",
    "top_up_reverted",
    "topping_up_by_card",
    "transaction_charged_twice",
    "transfer_fee_charged",
    "transfer_into_account",
    "transfer_not_received_by_recipient",
    "transfer_timing",
    "unable_to_verify_identity",
    "verify_my_identity",
    "verify_source_of_funds",
    "verify_top_up",
    "virtual_card_not_working",
    "visa_or_mastercard",
    "why_verify_identity",
    "wrong_amount_of_cash_received",
    "wrong_exchange_rate_for_cash_withdrawal",
]

Article: TypeAlias = Literal[
    "age limit",
    "atms and where cards work",
    "card delivery",
    "card does not work",
    "contactless and wallets",
    "countries",
    "currencies",
    "declined payments and withdrawals",
    "declined transfers",
    "exchange fees",
    "exchange rates",
    "find your pin",
    "linking a card",
    "pending card payments and withdrawals",
    "pending top-ups",
    "pending transfers",
    "proof of identity",
    "receiving money",
    "reverted payments",
    "small extra charge",
    "source of funds",
    "ask a merchant for a refund",
    "top-up fees and limits",
    "top-up ways",
    "verify a top-up",
    "virtual cards",
    "visa or mastercard",
]
DisputeKind: TypeAlias = Literal["charged twice", "not recognised", "direct debit", "wrong cash"]
FreezeWhy: TypeAlias = Literal["lost or stolen", "compromised", "phone lost", "cash taken", "swallowed"]
OrderWhy: TypeAlias = Literal["first card", "spare card", "expiring"]
Team: TypeAlias = Literal["identity", "payments"]

ARTICLES: MappingProxyType[Intent, Article] = MappingProxyType(
    {
        "age_limit": "age limit",
        "apple_pay_or_google_pay": "contactless and wallets",
        "atm_support": "atms and where cards work",
        "automatic_top_up": "top-up ways",
        "beneficiary_not_allowed": "declined transfers",
        "card_acceptance": "atms and where cards work",
        "card_arrival": "card delivery",
        "card_delivery_estimate": "card delivery",
        "card_linking": "linking a card",
        "card_not_working": "card does not work",
        "card_payment_wrong_exchange_rate": "exchange rates",
        "contactless_not_working": "contactless and wallets",
        "country_support": "countries",
        "declined_card_payment": "declined payments and withdrawals",
        "declined_cash_withdrawal": "declined payments and withdrawals",
        "declined_transfer": "declined transfers",
        "disposable_card_limits": "virtual cards",
        "exchange_charge": "exchange fees",
        "exchange_rate": "exchange rates",
        "exchange_via_app": "currencies",
        "extra_charge_on_statement": "small extra charge",
        "failed_transfer": "declined transfers",
        "fiat_currency_support": "currencies",
        "get_disposable_virtual_card": "virtual cards",
        "get_physical_card": "find your pin",
        "getting_virtual_card": "virtual cards",
        "pending_card_payment": "pending card payments and withdrawals",
        "pending_cash_withdrawal": "pending card payments and withdrawals",
        "pending_top_up": "pending top-ups",
        "pending_transfer": "pending transfers",
        "receiving_money": "receiving money",
        "request_refund": "ask a merchant for a refund",
        "reverted_card_payment?": "reverted payments",
        "supported_cards_and_currencies": "currencies",
        "top_up_by_bank_transfer_charge": "top-up fees and limits",
        "top_up_by_card_charge": "top-up fees and limits",
        "top_up_by_cash_or_cheque": "top-up ways",
        "top_up_failed": "pending top-ups",
        "top_up_limits": "top-up fees and limits",
        "top_up_reverted": "pending top-ups",
        "topping_up_by_card": "top-up ways",
        "transfer_into_account": "top-up ways",
        "transfer_timing": "pending transfers",
        "verify_my_identity": "proof of identity",
        "verify_source_of_funds": "source of funds",
        "verify_top_up": "verify a top-up",
        "virtual_card_not_working": "card does not work",
        "visa_or_mastercard": "visa or mastercard",
        "why_verify_identity": "proof of identity",
        "wrong_exchange_rate_for_cash_withdrawal": "exchange rates",
    }
)
"""Questions that an article of the help centre answers."""

TRACES: frozenset[Intent] = frozenset(
    {
        "Refund_not_showing_up",
        "balance_not_updated_after_bank_transfer",
        "balance_not_updated_after_cheque_or_cash_deposit",
        "transfer_not_received_by_recipient",
    }
)
"""Money that somebody is waiting for: an enquiry is opened."""

FREEZES: MappingProxyType[Intent, FreezeWhy] = MappingProxyType(
    {
        "card_swallowed": "swallowed",
        "cash_withdrawal_not_recognised": "cash taken",
        "compromised_card": "compromised",
        "lost_or_stolen_card": "lost or stolen",
        "lost_or_stolen_phone": "phone lost",
    }
)
"""The card may be in other hands."""

ORDERS: MappingProxyType[Intent, OrderWhy] = MappingProxyType(
    {"card_about_to_expire": "expiring", "getting_spare_card": "spare card", "order_physical_card": "first card"}
)

FEES: frozenset[Intent] = frozenset({"card_payment_fee_charged", "cash_withdrawal_charge", "transfer_fee_charged"})
"""Complaints about a fee; a small one is given back."""

DISPUTES: MappingProxyType[Intent, DisputeKind] = MappingProxyType(
    {
        "card_payment_not_recognised": "not recognised",
        "direct_debit_payment_not_recognised": "direct debit",
        "transaction_charged_twice": "charged twice",
        "wrong_amount_of_cash_received": "wrong cash",
    }
)
"""Money that the customer wants back from somebody else."""
