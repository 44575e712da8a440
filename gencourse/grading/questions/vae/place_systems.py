"""place-systems: five described systems, each with its family, its likelihood and its passes."""

from gencourse.grading.question import ChoiceQuestion

__all__ = ["PLACE_SYSTEMS"]

OPTIONS = {
    "family": ("vae", "gan", "flow", "autoregressive", "diffusion"),
    "likelihood": ("exact", "bound", "none"),
    "sampling": ("one pass", "D passes", "T passes"),
}

KEY = {
    "radar": ("gan", "none", "one pass"),
    "heartbeat": ("vae", "bound", "one pass"),
    "chorale": ("autoregressive", "exact", "D passes"),
    "mosaic": ("diffusion", "bound", "T passes"),
    "turbine": ("flow", "exact", "one pass"),
}

REMARKS = {
    ("radar family", "vae"): (
        "Nothing here asks which numbers a given map came from: there is no encoder, and no bound."
    ),
    ("radar family", "flow"): (
        "128 numbers become a whole map. An invertible function cannot change how many there are, "
        "and nothing in the description is ever undone."
    ),
    ("radar family", "autoregressive"): (
        "The map appears all at once. No part of it waits for another to be drawn."
    ),
    ("radar family", "diffusion"): (
        "Noise goes in, but only at the start. There is no series of noise levels, and nothing is "
        "removed step by step."
    ),
    ("radar likelihood", "exact"): (
        "The critic's verdict read as a likelihood. It compares a map with the inventions that the "
        "critic was trained against. It is not a density over maps, and for a perfect generator it "
        "would be one half everywhere."
    ),
    ("radar likelihood", "bound"): (
        "Which quantity would lie below log p(x)? The critic's verdict is the probability of "
        "'recorded', among the maps that it was shown. It bounds nothing."
    ),
    ("radar sampling", "D passes"): "No value of the map waits for another to be drawn first.",
    ("radar sampling", "T passes"): (
        "The two networks meet many times, but in training. How often does the first one run when "
        "a map is drawn?"
    ),
    ("heartbeat family", "gan"): (
        "Gaussian numbers go in and a heartbeat comes out, as in a GAN. But there is no critic. "
        "Look at what training raises."
    ),
    ("heartbeat family", "flow"): (
        "A flow with a layer that cannot be undone. After the fifth layer there are 32 numbers "
        "where 1,000 were. One such layer ends the change of variables, however many invertible "
        "ones stand before it, and whatever the authors call it."
    ),
    ("heartbeat family", "autoregressive"): (
        "Given the 32 numbers, all readings are redrawn together. None waits for the one before."
    ),
    ("heartbeat family", "diffusion"): (
        "Gaussian noise is used once, to draw the 32 numbers. No noise level is lowered in steps."
    ),
    ("heartbeat likelihood", "exact"): (
        "A bound read as a likelihood. 'Never exceeds' says on which side of log p(x) the number "
        "lies. It does not say how far away."
    ),
    ("heartbeat likelihood", "none"): (
        "It is less than the likelihood and more than nothing: a number is computed for every "
        "heartbeat, and it is known on which side of log p(x) it lies."
    ),
    ("heartbeat sampling", "D passes"): (
        "The second network gives all 1,000 readings their Gaussians in one call."
    ),
    ("heartbeat sampling", "T passes"): (
        "Layers are not passes. A pass goes through all the layers of a network."
    ),
    ("chorale family", "vae"): "No code stands for the whole chorale, and nothing is bounded.",
    ("chorale family", "gan"): "There is no critic. The loss is the model's own probability.",
    ("chorale family", "flow"): (
        "It has an exact likelihood, as a flow has. But events are symbols: there is no volume to "
        "stretch, and no function to invert."
    ),
    ("chorale family", "diffusion"): (
        "Nothing is spoilt and restored. Each event is predicted from the true ones before it."
    ),
    ("chorale likelihood", "bound"): (
        "Each factor is a normalised probability, and the chain rule that multiplies them is an "
        "equality. Nothing is left over for a gap."
    ),
    ("chorale likelihood", "none"): (
        "The network prints the probability of every event given those before it. Multiply."
    ),
    ("chorale sampling", "one pass"): (
        "Training's one pass taken for sampling's. In training all the events are known, so all "
        "predictions can be made together. In composing, what does event 900 wait for?"
    ),
    ("chorale sampling", "T passes"): (
        "T is a number that the maker of the model may choose. Here the length of the chorale "
        "dictates it."
    ),
    ("mosaic family", "vae"): (
        "The tokens may have come from an encoder, but they are the data of this model. It has "
        "itself no code and no encoder."
    ),
    ("mosaic family", "gan"): "There is no critic. The network is trained on its own predictions.",
    ("mosaic family", "flow"): "Hiding a token is not invertible: what was there cannot be told.",
    ("mosaic family", "autoregressive"): (
        "Masked decoding read as autoregressive. A transformer predicts tokens here too, but each "
        "looks both ways, and dozens are filled in by the same round. Ask rather what is destroyed "
        "on purpose, and what the network learns to undo."
    ),
    ("mosaic likelihood", "exact"): (
        "The chain rule would be exact if the tokens came one by one. The description says on "
        "which side of log p(x) this loss stands, and that it need not touch it."
    ),
    ("mosaic likelihood", "none"): (
        "Read the sentence about the loss again: it is tied to log p(x), from one side."
    ),
    ("mosaic sampling", "one pass"): (
        "Each round looks at what the earlier rounds decided, so the rounds cannot be one pass."
    ),
    ("mosaic sampling", "D passes"): (
        "There are 256 tokens and 8 rounds. Would a mosaic of 1,024 tokens need 32 rounds?"
    ),
    ("turbine family", "vae"): (
        "256 numbers go in and 256 come out. Nothing is squeezed, and no noise is added on the way."
    ),
    ("turbine family", "gan"): (
        "Noise becomes readings, as in a GAN, but there is no critic: training raises a density."
    ),
    ("turbine family", "autoregressive"): (
        "In each layer half of the readings are changed at once. There is no chain of 256 single "
        "predictions."
    ),
    ("turbine family", "diffusion"): (
        "Layers read as denoising steps. No layer was taught to remove noise of a given strength. "
        "Together they are one function, and each of them can be undone without loss."
    ),
    ("turbine likelihood", "bound"): (
        "Where would a gap come from? The inverse is exact, and so is the change of volume."
    ),
    ("turbine likelihood", "none"): (
        "Follow a reading back to the noise, whose density is known, and keep account of the "
        "stretching on the way."
    ),
    ("turbine sampling", "D passes"): (
        "Within a layer, all the numbers to be changed are changed together. (A layer that shifts "
        "every number by an amount computed from all those before it would be different.)"
    ),
    ("turbine sampling", "T passes"): (
        "24 layers are the depth of one network. A pass goes through all the layers."
    ),
}

PLACE_SYSTEMS = ChoiceQuestion(
    name="place-systems",
    variable="placed",
    points=15,
    options={f"{system} {axis}": options for system in KEY for axis, options in OPTIONS.items()},
    key={
        f"{system} {axis}": right
        for system, answer in KEY.items()
        for axis, right in zip(OPTIONS, answer, strict=True)
    },
    remarks=REMARKS,
    where="Chapter 1, “The map”",
)
