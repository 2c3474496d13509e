"""The words that the seeded library of the Arrhes sandbox is made of: a small company's accounts of one year."""

AREAS: dict[str, tuple[str, str, str]] = {
    "Achats": ("Fournisseurs", "Frais généraux", "Sous-traitance"),
    "Ventes": ("Clients", "Devis acceptés", "Avoirs"),
    "Banque": ("Relevés", "Emprunts", "Remises de chèques"),
    "Social": ("Bulletins de paie", "Contrats de travail", "Mutuelle et prévoyance"),
    "Fiscal": ("TVA", "Impôt sur les sociétés", "Taxes locales"),
    "Juridique": ("Assemblées générales", "Baux", "Assurances"),
    "Immobilisations": ("Matériel", "Véhicules", "Travaux"),
    "Notes de frais": ("Déplacements", "Repas d'affaires", "Fournitures"),
}
"""Folders of the first and the second level."""

PARTNERS = (
    "Boulangerie Lefèvre",
    "Transports Gâtinais",
    "Imprimerie de l'Été",
    "Électricité Brûlé & Fils",
    "Cabinet Hélène Özdemir",
    "Menuiserie Château-d'Œx",
    "SARL Noël Frères",
    "Hôtel de la Forêt",
    "Garage Crèvecœur",
    "Librairie L'Île aux Mots",
    "Crédit Mutuel du Faîte",
    "Caisse d'Épargne Île-de-France",
    "Société Générale « Pro »",
    "Fromagerie Saint-Maclou",
    "Plomberie Guérin",
    "Agence Désirée Communication",
)
PEOPLE = (
    "Amélie Béranger",
    "Benoît Lacoste",
    "Chloé N'Guyen",
    "François Étienne",
    "Inès Haddad",
    "Jérôme Quéré",
    "Maëlys Prévost",
    "Zoé Lemaître",
)
SEMESTERS = ("1er semestre", "2nd semestre")
MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
DEEPEST = ("Originaux", "Justificatifs", "Relances")
"""Folders of the sixth level."""

DOCUMENTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Achats": (
        ("Facture {partner} n° {number}", "FA", "pdf"),
        ("Bon de commande {partner} {number}", "BC", "pdf"),
        ("Bon de livraison {number}", "BL", "png"),
    ),
    "Ventes": (
        ("Facture client {partner} {number}", "FC", "pdf"),
        ("Devis {number} - {partner}", "DV", "pdf"),
        ("Avoir {number}", "AV", "pdf"),
    ),
    "Banque": (
        ("Relevé de compte {month} {year}", "RC", "pdf"),
        ("Mouvements {month} {year}", "MV", "csv"),
        ("Bordereau de remise {number}", "RM", "png"),
    ),
    "Social": (
        ("Fiche de paie {person} {month} {year}", "FP", "pdf"),
        ("Contrat de travail {person}", "CT", "pdf"),
        ("Arrêt maladie {person} {month}", "AM", "png"),
    ),
    "Fiscal": (
        ("Déclaration TVA CA3 {month} {year}", "CA3", "pdf"),
        ("Avis d'imposition CFE {year}", "CFE", "pdf"),
        ("Détail de TVA {month} {year}", "TVA", "csv"),
    ),
    "Juridique": (
        ("Procès-verbal d'assemblée générale du {day} {month} {year}", "PV", "pdf"),
        ("Contrat d'assurance {partner}", "CA", "pdf"),
        ("Bail commercial signé {number}", "BX", "pdf"),
    ),
    "Immobilisations": (
        ("Facture d'achat matériel {partner} {number}", "IM", "pdf"),
        ("Tableau d'amortissement {number}", "TA", "csv"),
        ("Photo du matériel {number}", "PH", "png"),
    ),
    "Notes de frais": (
        ("Note de frais {person} {month} {year}", "NF", "pdf"),
        ("Reçu « déjeuner d'affaires » {number}", "RE", "png"),
        ("Billet de train {person} {day} {month}", "BT", "pdf"),
    ),
}
"""What the files of an area are called, the beginning of their reference, and their extension."""

TYPES = {"pdf": "application/pdf", "png": "image/png", "csv": "text/csv"}
