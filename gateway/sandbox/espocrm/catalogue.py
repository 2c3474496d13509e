"""The words of the demo's CRM: companies, requests, notes and files of a French firm that maintains buildings."""
# ruff: noqa: RUF001 - French typography is the point of these words: curly apostrophes and en dashes stay.

ACCOUNTS: tuple[tuple[str, str, str, str], ...] = (
    ("Ateliers Mécaniques du Forez", "42600", "Montbrison", "Manufacturing"),
    ("Boulangerie Kerouanton et Fils", "29000", "Quimper", "Food & Beverage"),
    ("Cabinet d’expertise Lavergne", "87000", "Limoges", "Accounting"),
    ("Charpentes Béarnaises", "64300", "Orthez", "Construction"),
    ("Clinique vétérinaire des Tilleuls", "21000", "Dijon", "Healthcare"),
    ("Coopérative laitière du Val d’Ajol", "88340", "Le Val-d’Ajol", "Agriculture"),
    ("Éditions de la Presqu’île", "69002", "Lyon", "Publishing"),
    ("Garage Hénaff", "56100", "Lorient", "Automotive"),
    ("Hôtel-restaurant Au Cheval Blanc", "67140", "Barr", "Hospitality"),
    ("Imprimerie Noël & Associés", "59000", "Lille", "Publishing"),
    ("Lycée agricole de Pézenas", "34120", "Pézenas", "Education"),
    ("Mairie de Saint-Étienne-du-Rouvray", "76800", "Saint-Étienne-du-Rouvray", "Government"),
    ("Pépinières Gauthier-Roche", "49130", "Les Ponts-de-Cé", "Agriculture"),
    ("Transports Çelik Frères", "68100", "Mulhouse", "Transportation"),
)
"""Name, postal code, town and branch."""

CASES: tuple[tuple[str, str, str], ...] = (
    ("Fuite sur le circuit de chauffage, bâtiment B", "High", "Incident"),
    ("Facture réglée deux fois en septembre", "Normal", "Problem"),
    ("Demande de devis pour l’extension de l’atelier", "Normal", "Question"),
    ("Porte sectionnelle bloquée depuis lundi", "Urgent", "Incident"),
    ("Attestation d’assurance à renouveler", "Low", "Question"),
    ("Écart entre le bon de livraison et la commande", "Normal", "Problem"),
    ("Réserves non levées après réception des travaux", "High", "Problem"),
    ("Bruit anormal de la centrale de traitement d’air", "Normal", "Incident"),
    ("Changement de coordonnées bancaires", "Low", "Question"),
    ("Dégât des eaux au deuxième étage", "Urgent", "Incident"),
    ("Contrat d’entretien arrivé à échéance", "Normal", "Question"),
    ("Température trop basse en chambre froide", "Urgent", "Incident"),
    ("Accès au parking pour les intervenants", "Low", "Question"),
    ("Contrôle périodique de l’ascenseur refusé", "High", "Problem"),
    ("Peinture écaillée en façade sud", "Normal", "Problem"),
    ("Relevés de compteurs manquants pour août", "Low", "Problem"),
    ("Éclairage de secours hors service", "High", "Incident"),
    ("Avoir demandé sur la facture de juillet", "Normal", "Question"),
    ("Planning d’intervention à décaler", "Low", "Question"),
    ("Mise en conformité du tableau électrique", "High", "Problem"),
)
"""Subject, priority and type."""

NOTES = (
    "Appel de ce matin : le client confirme la visite, voir les photos jointes.",
    "Compte rendu de la réunion de chantier, à valider avant vendredi.",
    "Devis renvoyé après correction du taux de TVA.",
    "Le technicien est passé, les pièces sont commandées.",
    "Courrier recommandé reçu, la copie est ici.",
    "Relance faite pour la facture en retard.",
    "Plans à jour transmis par l’architecte.",
    "Le client demande un geste commercial, échanges ci-joints.",
    "Procès-verbal signé par les deux parties.",
    "Mesures relevées sur place et tableau de synthèse.",
)

DOCUMENTS = (
    "Conditions générales de vente 2025.pdf",
    "Modèle de contrat d’entretien.docx",
    "Grille tarifaire dépannage.csv",
    "Charte qualité et sécurité.pdf",
    "Procédure d’astreinte.md",
    "Plan de prévention, site de Lyon.pdf",
    "Attestation de responsabilité civile.pdf",
    "Notice de mise en service, chaudière à condensation.pdf",
    "Modèle de procès-verbal de réception.docx",
    "Liste des pièces détachées.csv",
    "Certificat de conformité CE.pdf",
    "Guide d’accueil des intervenants.docx",
    "Politique de protection des données.pdf",
    "Calendrier des contrôles réglementaires.csv",
    "Consignes en cas d’incendie.txt",
    "Kbis à jour.pdf",
    "Mémoire technique, marché n° 25-117.pdf",
    "Trame de compte rendu.docx",
    "Rapport annuel d’activité 2024.pdf",
    'Fiche produit "Série Océan".pdf',
)

FILES = (
    "Facture n° {number}.pdf",
    "Photo du local technique ({number}).png",
    "Devis révisé n° {number}.pdf",
    "Échange avec le client.txt",
    "Relevé de températures, semaine {week}.csv",
    "Compte rendu d’intervention {number}.docx",
    "Bon de livraison signé {number}.pdf",
    "Capture d’écran à {week} h 12.png",
    "Procès-verbal de réception {number}.pdf",
    "Notes prises sur place.md",
    "Attestation d’assurance – avenant {week}.pdf",
    "Courrier recommandé du {week} septembre.pdf",
    "Tableau récapitulatif {number}.csv",
    'Plan "étage {week}" version définitive.pdf',
)
"""Names of files; ``number`` and ``week`` are filled in."""
